"""`shrinkage ablate`, as a person types it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Done
from shrinkage.engine.task import scaling_of
from shrinkage.evidence import data_worth
from shrinkage.evidence.ablate import Ablation
from shrinkage.evidence.design import designed
from shrinkage.evidence.studied import studied
from shrinkage.recipe import Recipe
from shrinkage.run import ablate, opened


@pytest.fixture(scope="module")
def finished(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose winner is ablated from the command's own function."""
    folder = tmp_path_factory.mktemp("ablated") / "run"
    shutil.copytree(study, folder)
    result = json.loads((folder / "result.json").read_text())
    recipe = Recipe.from_toml(result["recipe"]).set({"network.dropout.rate": 0.3})
    (folder / "result.json").write_text(json.dumps({**result, "recipe": recipe.to_toml()}))
    ablate(folder, seeds=2, budget="10m", workers=0)
    return folder


def test_the_command_prints_verdicts(finished: Path, command: Callable[..., Done]) -> None:
    done = command("ablate", finished, "--seeds", 2, "--budget", "10m", "--workers", 0)
    assert (done.code, done.err) == (0, "")
    assert "placebo" in done.out
    assert "dropout" in done.out
    told = json.loads((finished / "ablation.json").read_text())
    assert told["networks"] == 3 * len(list((finished / "evidence").rglob("*.npy"))) > 0
    assert "verdict" in told["ingredients"]["dropout"]
    page = (finished / "ablation.md").read_text()
    assert "| dropout | rate=0.3 |" in page
    assert "From the plain network" in page


def test_the_command_prints_json(finished: Path, command: Callable[..., Done]) -> None:
    asked = ("ablate", finished, "--seeds", 2, "--budget", "10m", "--workers", 0)
    done = command(*asked, "--margin", 0.9, "--json")
    told = json.loads(done.out)
    assert told["margin"] == 0.9
    assert told["seeds"] == 2


def test_worth_in_rows_on_too_few_rows(finished: Path, command: Callable[..., Done]) -> None:
    """The ablation is there all the same, and says what is missing."""
    asked = ("ablate", finished, "--seeds", 2, "--budget", "60s", "--workers", 0)
    done = command(*asked, "--data-worth")
    assert (done.code, done.err) == (0, "")
    said = "What the recipe is worth in rows is not known: 64 training rows a fold are too few"
    assert said in done.out
    assert said in (finished / "ablation.md").read_text()
    assert "verdict" in done.out


def test_what_a_seed_takes_is_of_the_first_table_alone(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks on fewer rows would make it less: the budget that is named would not do."""

    def worth(known: Ablation, _: object) -> dict:
        known.rounds.spent, known.rounds.networks = 0.0, 10**6
        return {"missing": "not asked here"}

    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "evidence")
    monkeypatch.setattr(data_worth, "worth", worth)
    told = ablate(folder, seeds=2, budget="10m", workers=0, data_worth=True)
    assert told["seconds_a_seed"] > 0
    again = ablate(folder, seeds=2, budget="10m", workers=0)
    assert again["seconds_a_seed"] == told["seconds_a_seed"], "nothing was trained"


BAD = [
    (("--seeds", "1"), "seeds"),
    (("--margin", "-1"), "margin"),
    (("--budget", "soon"), "--budget soon"),
    (("--budget", "2s"), "at least"),
    (("--workers", "-2"), "--workers"),
]


@pytest.mark.parametrize(("more", "said"), BAD)
def test_bad_input(
    more: tuple[str, str], said: str, finished: Path, command: Callable[..., Done]
) -> None:
    before = (finished / "ablation.json").read_bytes()
    done = command("ablate", finished, *more)
    assert done.code == 2
    assert said in done.err
    assert (finished / "ablation.json").read_bytes() == before


def test_folders_that_cannot_be_ablated(
    study: Path, tmp_path: Path, command: Callable[..., Done]
) -> None:
    assert "not a study" in command("ablate", tmp_path).err
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    (folder / "work" / "folds.npz").unlink()
    done = command("ablate", folder)
    assert (done.code, "fit again" in done.err) == (2, True)
    result = json.loads((folder / "result.json").read_text())
    for more, said in (({"start_from": "old"}, "starts from a model"), (
        {"metric": "function:profit"}, "metric=profit")):  # fmt: skip
        (folder / "result.json").write_text(json.dumps({**result, **more}))
        done = command("ablate", folder)
        assert (done.code, said in done.err) == (2, True)


def test_test_rows_are_not_read(finished: Path, tmp_path: Path) -> None:
    """The arrays of an ablation are the same whatever stands in the test rows."""
    found = studied(finished, opened(finished).result)
    others = found.rows.test.iloc[::-1].reset_index(drop=True)
    others["a"] = others["a"] + 100
    written = []
    for name, test in (("as it is", found.rows.test), ("other", others)):
        rows = replace(found.rows, test=test)
        folder = tmp_path / name
        design = designed(rows, found.problem, [found.winner], folder, found.seed)
        design.prepare(scaling_of(found.winner))
        paths = sorted(design.problem.folder.rglob("*.safetensors"))
        written.append([path.read_bytes() for path in paths])
    assert written[0]
    assert written[0] == written[1]
