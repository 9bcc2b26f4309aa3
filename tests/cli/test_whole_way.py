"""From a table to predictions, through the commands a person types."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.model_selection import train_test_split

from conftest import mixed, tiny_fit
from shrinkage.data.source import read
from shrinkage.model import Model
from shrinkage.recipe import Recipe

ROWS = ("plain", "default", "winner", "linear", "gradient_boosting")
FIELDS = {"task", "metric", "rows", "budget_s", "wall_s", "n_trials", "n_members_diverged",
          "optimism", "recipe", "scores", "calibration", "cutoff", "decision"}  # fmt: skip
CLASSIFICATION = {"accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1"}


def result_of(run: Path) -> dict:
    return json.loads((run / "result.json").read_text())


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> tuple[Path, str]:
    """A built-in set, with processes; its folder and what was printed."""
    import contextlib
    import io
    import time

    from shrinkage.cli import main

    out, text = tmp_path_factory.mktemp("whole") / "run", io.StringIO()
    main.STARTED = time.monotonic()
    with contextlib.redirect_stdout(text):
        arguments = ["fit", "breast_cancer", "--recipe", str(tiny), "--trials", "6", "--workers",
                     "2", "--cv", "3", "--budget", "60s", "--out", str(out)]  # fmt: skip
        assert main.main(arguments) == 0
    return out, text.getvalue()


def test_the_folder_holds_what_is_promised(fitted) -> None:
    run, _ = fitted
    names = {str(path.relative_to(run)) for path in run.rglob("*")}
    assert names >= {"model/weights.safetensors", "model/recipe.toml", "model/manifest.json",
                     "model/preparation/0.skops", "study.db", "result.json", "run.log"}  # fmt: skip
    assert not [name for name in names if Path(name).name.startswith(".")]
    assert not list(run.rglob("cohort-*"))
    assert not list(run.rglob("*.pkl"))


def test_the_result_holds_what_is_promised(fitted) -> None:
    result = result_of(fitted[0])
    assert set(result) >= FIELDS
    assert tuple(result["scores"]) == ROWS
    assert result["n_trials"] == 6
    assert result["rows"]["training"] + result["rows"]["test"] == 569
    assert result["wall_s"] < result["budget_s"] == 60
    for row in result["scores"].values():
        assert set(row["validation"]) == set(row["test"]) == CLASSIFICATION
        assert row["seconds"] > 0
        assert all(np.isfinite(v) for part in ("validation", "test") for v in row[part].values())


def test_the_table_names_every_row(fitted) -> None:
    run, text = fitted
    for words in ("plain network", "given recipe", "winner", "linear model", "gradient boosting"):
        assert words in text
    assert f"shrinkage predict {run} DATA" in text
    winner = result_of(run)["scores"]["winner"]["test"]["accuracy"]
    assert f"{winner:.4f}" in text


def test_the_winners_test_score_is_recomputed_from_the_folder(fitted) -> None:
    run, _ = fitted
    from shrinkage.data.builtin import load

    frame = load("breast_cancer")
    y = frame["target"]
    test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)[1]
    model = Model.load(run)
    rows, found = frame.iloc[test], result_of(run)["scores"]["winner"]["test"]
    probability = model.predict_proba(rows)
    assert found["accuracy"] == np.mean(model.predict(rows) == y.iloc[test])
    positive = y.iloc[test] == model.schema.classes[1]
    assert found["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(positive, probability[:, 1]), 1e-12
    )
    assert found["log_loss"] == pytest.approx(metrics.log_loss(positive, probability), 1e-6)


def test_a_regressions_test_score_is_recomputed_from_the_folder(regression: Path) -> None:
    from shrinkage.data.builtin import load

    frame = load("diabetes")[:120]
    test = train_test_split(np.arange(120), test_size=0.2, random_state=0)[1]
    predicted = Model.load(regression).predict(frame.iloc[test])
    y, result = frame["target"].iloc[test], result_of(regression)
    assert (result["task"], result["metric"]) == ("regression", "rmse")
    found = result["scores"]["winner"]["test"]
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((y - predicted) ** 2)), 1e-12)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, predicted), 1e-12)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, predicted), 1e-12)
    assert found["rmse"] < y.std() * 1.3


def test_predictions_go_where_they_were_sent(study: Path, tmp_path: Path, command) -> None:
    """A link stays a link, and a pipe a pipe."""
    mixed(25, seed=3).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "link.csv").symlink_to(tmp_path / "kept.csv")
    assert command("predict", study, tmp_path / "rows.csv", "-o", tmp_path / "link.csv").code == 0
    assert (tmp_path / "link.csv").is_symlink()
    expected = (tmp_path / "kept.csv").read_text()
    assert len(expected.splitlines()) == 26
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(pipe.read_text)
        assert command("predict", study, tmp_path / "rows.csv", "-o", pipe).code == 0
        assert heard.result(10) == expected
    assert pipe.is_fifo()
    (tmp_path / "round.csv").symlink_to(tmp_path / "round.csv")
    done = command("predict", study, tmp_path / "rows.csv", "-o", tmp_path / "round.csv")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err


@pytest.mark.parametrize("name", ["p.tsv", "p.csv.gz", "p.TSV.GZ", "p.parquet", "p.feather", "p"])
def test_predictions_are_written_as_the_name_says(
    name: str, study: Path, tmp_path: Path, command
) -> None:
    mixed(25, seed=3).to_csv(tmp_path / "rows.csv", index=False)
    assert command("predict", study, tmp_path / "rows.csv", "-o", tmp_path / name).code == 0
    path = tmp_path / name
    if not path.suffix:
        path = path.rename(tmp_path / "p.csv")
    found = read(path).frame["y"]
    assert list(found) == list(Model.load(study).predict(mixed(25, seed=3)))


def test_predictions_are_the_models(study: Path, tmp_path: Path, command) -> None:
    frame = mixed(30, seed=5)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    done = command("predict", study, tmp_path / "rows.csv", "-o", tmp_path / "p.csv")
    assert (done.code, done.out) == (0, "")
    assert "30 predictions" in done.err
    model = Model.load(study)
    expected = model.predict(frame)
    assert list(pd.read_csv(tmp_path / "p.csv")["y"]) == list(expected)
    printed = command("predict", study, tmp_path / "rows.csv").out
    assert printed.split() == ["y", *expected]
    listed = json.loads(command("predict", study, tmp_path / "rows.csv", "--json").out)
    assert listed == {"y": list(expected)}


def test_probabilities_sum_to_one(study: Path, tmp_path: Path, command) -> None:
    frame = mixed(30, seed=5)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    done = command("predict", study, tmp_path / "rows.csv", "--proba", "-o", tmp_path / "p.csv")
    assert done.code == 0
    found = pd.read_csv(tmp_path / "p.csv")
    assert list(found) == ["no", "yes"]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(found, Model.load(study).predict_proba(frame), atol=1e-15)


def test_a_prediction_does_not_depend_on_its_neighbours(study: Path) -> None:
    model, frame = Model.load(study), mixed(40, seed=5)
    whole = model.predict_proba(frame)
    alone = np.concatenate([model.predict_proba(frame[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(alone, whole, atol=1e-12)


def test_unseen_categories_and_extra_columns_are_noted(
    study: Path, tmp_path: Path, command
) -> None:
    frame = mixed(5, seed=2).drop(columns="y")[["when", "colour", "b", "a"]]  # another order
    frame.loc[2, "colour"] = "ochre"
    frame["extra"] = 1
    frame.to_csv(tmp_path / "rows.csv", index=False)
    done = command("predict", study, tmp_path / "rows.csv")
    assert done.code == 0
    assert len(done.out.split()) == 6
    for words in ("extra", "ignored", "colour", "ochre", "not seen"):
        assert words in done.err


def test_the_winners_validation_score_is_corrected_for_the_choice(fitted, command) -> None:
    run, text = fitted
    result = result_of(run)
    found, winner = result["optimism"], result["scores"]["winner"]
    assert found["validation"] == pytest.approx(winner["validation"]["accuracy"], 1e-12)
    assert found["optimism"] == pytest.approx(found["validation"] - found["corrected"])
    low, high = found["interval"]
    assert low < found["corrected"] < high
    # the default and the plain network run to their end, and whoever passes all rungs
    assert 2 <= found["trials"] == result["n_trials_finished"]
    assert found["rows"] == result["rows"]["validation"] == result["rows"]["training"]
    for printed in (text, command("show", run).out):
        assert f"Validation accuracy {found['validation']:.4f} is the winner's of" in printed
        assert f"{low:.4f} to {high:.4f}" in printed


def test_show_lists_the_trials_and_the_winner(fitted, command) -> None:
    run, _ = fitted
    done = command("show", run)
    assert done.code == 0
    for words in ("default", "plain", "random", "accuracy (validation)", "gradient boosting"):
        assert words in done.out
    found = json.loads(command("show", run, "--json").out)
    assert found["result"] == result_of(run)
    assert [trial["number"] for trial in found["trials"]] == list(range(6))
    assert "more; see --top" in command("show", run, "--top", 2).out


def test_scores_of_a_run_that_did_not_end_are_the_metrics_own(
    tmp_path: Path, tiny: Path, command
) -> None:
    """A loss is negative in the database, where larger is better; a person sees it as it is."""
    run = tiny_fit(mixed(), "y", tmp_path / "run", tiny, trials=2, metric="log_loss")
    whole = json.loads(command("show", run, "--json").out)["trials"]
    winner = result_of(run)["scores"]["default"]["validation"]["log_loss"]
    assert whole[0]["score"] == whole[0]["rungs"][-1]["score"] == pytest.approx(winner, rel=0.3)
    (run / "result.json").unlink()
    assert json.loads(command("show", run, "--json").out)["trials"] == whole
    printed = command("show", run).out
    assert "calibrated log loss (validation)" in printed
    assert f"{whole[0]['score']:.4f}" in printed
    assert "-0." not in printed


def test_recipes_are_printed_and_compared(fitted, tiny: Path, command, tmp_path: Path) -> None:
    run, _ = fitted
    printed = command("recipe", run)
    assert printed.code == 0
    (tmp_path / "again.toml").write_text(printed.out)
    same = command("recipe", run, "--diff", tmp_path / "again.toml")
    assert same.out.strip() == "no difference"
    assert json.loads(command("recipe", run, "--json").out)["hash"] == result_of(run)["recipe_hash"]
    differing = command("recipe", "plain", "--diff", tiny).out
    for words in ("network.mlp.width", "128", "8", "update.adam.lr", "0.001", "0.01"):
        assert words in differing
    rows = json.loads(command("recipe", "plain", "--diff", tiny, "--json").out)
    assert {"path": "network.mlp.width", "plain": 128, str(tiny): 8} in rows


def test_ingredients_are_listed_and_explained(command) -> None:
    listed = command("ingredients").out
    for words in ("mixup", "dropout", "adam", "cosine", "weight_decay", "early_stopping"):
        assert words in listed
    card = command("ingredients", "mixup").out
    assert "Zhang" in card
    described = json.loads(command("ingredients", "mixup", "--json").out)
    assert described["name"] == "mixup"
    assert [field["name"] for field in described["fields"]] == ["alpha"]
    assert len(json.loads(command("ingredients", "--json").out)) > 30


COMMANDS = ["fit", "resume", "predict", "show", "recipe", "ingredients"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str, command) -> None:
    done = command(name, "--help")
    assert done.code == 0
    assert f"Example: shrinkage {name}" in " ".join(done.out.replace("│", " ").split())
    assert "--json" in done.out


def test_help_and_version(command) -> None:
    import shrinkage

    assert all(name in command().out for name in COMMANDS)
    assert command("--version").out.strip() == shrinkage.__version__


def test_fit_prints_its_result_as_json(study: Path, tiny: Path, tmp_path: Path, command) -> None:
    done = command(
        *("fit", study.parent / "table.csv", "--target", "y", "--out", tmp_path / "run"),
        *("--recipe", tiny, "--trials", 2, "--workers", 0, "--cv", "holdout", "--json"),
        *("--metric", "log_loss", "--seed", 3),
    )
    assert done.code == 0
    assert json.loads(done.out) == result_of(tmp_path / "run")
    result = result_of(tmp_path / "run")
    assert (result["metric"], result["seed"], result["rows"]["folds"]) == ("log_loss", 3, 1)


def test_a_test_file_is_used_as_it_is(study: Path, tiny: Path, tmp_path: Path, command) -> None:
    test = mixed(50, seed=9)
    test.to_csv(tmp_path / "test.csv", index=False)
    done = command(
        *("fit", study.parent / "table.csv", "--target", "y", "--out", tmp_path / "run"),
        *("--recipe", tiny, "--trials", 2, "--workers", 0, "--cv", 3, "--test"),
        tmp_path / "test.csv",
    )
    assert done.code == 0, done.err
    result = result_of(tmp_path / "run")
    assert (result["rows"]["training"], result["rows"]["test"]) == (120, 50)
    predicted = Model.load(tmp_path / "run").predict(test)
    found = result["scores"]["winner"]["test"]["accuracy"]
    assert found == np.mean(predicted == test["y"].to_numpy())


def test_scores_that_are_not_defined_are_null(
    study: Path, tiny: Path, tmp_path: Path, command
) -> None:
    done = command(
        *("fit", study.parent / "table.csv", "--target", "y", "--out", tmp_path / "run"),
        *("--recipe", tiny, "--trials", 2, "--workers", 0, "--cv", 3, "--test", 1e-9),
    )
    assert done.code == 0, done.err
    result = result_of(tmp_path / "run")
    assert result["rows"]["test"] == 1
    assert result["scores"]["winner"]["test"]["roc_auc"] is None
    assert command("show", tmp_path / "run").code == 0


def test_a_study_in_the_same_place_reads_its_own_rows(tiny: Path, tmp_path, monkeypatch) -> None:
    """Arrays are cached by file: another study of that name in this process has others."""
    for place, rows in (("one", 60), ("two", 90)):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        run = tiny_fit(mixed(rows), "y", Path("run"), tiny, trials=2)
        assert result_of(run)["rows"]["training"] == rows * 0.8


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_the_budget_is_honoured(workers: int, tmp_path: Path) -> None:
    import subprocess
    import sys
    import time

    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "shrinkage.cli.main", "fit", "digits", "--budget", "20s",
         "--workers", str(workers), "--out", str(tmp_path / "run")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert wall <= 25
    assert wall - 3 <= result_of(tmp_path / "run")["wall_s"] <= wall


def test_rows_that_belong_together(tmp_path: Path, tiny: Path, command) -> None:
    """The whole way with --together: fit, report by groups, ablate, resume, predict."""
    frame = mixed(400).assign(patient=[f"p{i}" for i in np.arange(400) // 5])
    frame.to_csv(tmp_path / "t.csv", index=False)
    run, common = tmp_path / "run", ("--budget", "10m", "--workers", 0)
    asked = ("--target", "y", "--together", "patient", "--recipe", tiny, "--trials", 3, *common)
    fit = ("fit", tmp_path / "t.csv", *asked, "--cv", 3, "--out", run)
    done = command(*fit, "--by", "colour")
    assert done.code == 2
    assert "no group has rows of 20 different 'patient', and fewer tell nothing" in done.err
    done = command(*fit)
    assert done.code == 0
    assert "Against the plain network on 80 test rows of 16 different 'patient'" in done.out
    result = result_of(run)
    assert result["together"] == {"column": "patient", "training": 64, "test": 16}
    assert result["against_plain"]["rows"] == 80
    recipe = Recipe.from_toml(result["recipe"]).set({"network.dropout.rate": 0.3})
    (run / "result.json").write_text(json.dumps({**result, "recipe": recipe.to_toml()}))
    assert command("ablate", run, "--seeds", 2, *common).code == 0
    assert command("resume", run, "--budget", "10m").code == 0
    assert result_of(run)["together"] == result["together"]
    assert "of 16 different 'patient'" in (run / "report.md").read_text()
    assert "--together patient" in (run / "report.md").read_text()
    frame[:4].drop(columns=["patient", "y"]).to_csv(tmp_path / "new.csv", index=False)
    done = command("predict", run, tmp_path / "new.csv")
    assert (done.code, len(done.out.split())) == (0, 5)
    assert "patient" not in done.err


def test_later_rows_judge(tmp_path: Path, tiny: Path, command) -> None:
    """The whole way with --time: fit, ablate, report, resume, predict."""
    frame = mixed(300)
    frame.to_csv(tmp_path / "t.csv", index=False)
    run, common = tmp_path / "run", ("--budget", "10m", "--workers", 0)
    asked = ("--target", "y", "--time", "when", "--recipe", tiny, "--trials", 3, *common)
    done = command("fit", tmp_path / "t.csv", *asked, "--out", run)
    assert done.code == 0
    assert "Rows are cut by 'when'" in done.out
    result = result_of(run)
    assert result["rows"]["folds"] == 1
    assert result["time"] == {"column": "when", "test": True}
    assert f"{result['rows']['test']} test rows (the latest by 'when')" in done.out
    assert "--time when" in (run / "report.md").read_text()
    recipe = Recipe.from_toml(result["recipe"]).set({"network.dropout.rate": 0.3})
    (run / "result.json").write_text(json.dumps({**result, "recipe": recipe.to_toml()}))
    assert command("ablate", run, "--seeds", 2, *common).code == 0
    assert command("resume", run, "--budget", "10m").code == 0
    assert result_of(run)["time"] == result["time"]
    frame[:4].drop(columns=["when", "y"]).to_csv(tmp_path / "new.csv", index=False)
    done = command("predict", run, tmp_path / "new.csv")
    assert (done.code, len(done.out.split())) == (0, 5)
