"""What a reader is told of an ablation."""

from __future__ import annotations

import pytest

from shrinkage.cli import terminal
from shrinkage.evidence import words
from shrinkage.report import bought


def told(effect: float, verdict: str, **more: object) -> dict:
    return {
        "effect": effect,
        "interval": [effect - 0.01, effect + 0.01],
        "verdict": verdict,
        "setting": "",
        "seeds_needed": None,
        **more,
    }


RESULT = {
    "metric": "accuracy",
    "greater_is_better": True,
    "score": 0.9,
    "tuned": True,
    "first_look": False,
    "margin": 0.005,
    "seeds": 6,
    "seeds_asked": 10,
    "budget_s": 60.0,
    "idle": ["embedding changes nothing: there are no categorical columns."],
    "placebo": told(0.001, "no evidence"),
    "ingredients": {
        "dropout": told(0.03, "helps"),
        "mixup": told(-0.02, "hurts"),
        "ema": told(0.0, "equivalent"),
        "decay": told(0.01, "no evidence", seeds_needed=25),
        "mish": told(0.0, "no evidence"),
    },
}


def test_conclusions() -> None:
    lines = words.conclusions(RESULT, "run")
    assert lines[0] == (
        "Of 5 ingredients: dropout helps; mixup hurts. ema makes no difference beyond 0.005."
    )
    assert "+0.0010 (95 % interval -0.0090 to +0.0110)" in lines[1]
    assert "decay about 25 (shrinkage ablate run --seeds 25)" in lines[2]
    assert "For mish more seeds would not do" in lines[2]
    assert "6 of 10 seeds" in lines[3]
    assert lines[4].startswith("embedding changes nothing")
    names = [row[0] for row in words.table(RESULT)]
    assert names == ["dropout", "decay", "ema", "mish", "mixup", "placebo"]


def test_a_winner_that_diverges_is_not_booked_on_its_ingredients() -> None:
    none = {"effect": None, "verdict": None, "setting": "", "seeds_needed": None}
    told = dict.fromkeys(RESULT["ingredients"], none)
    result = RESULT | {"score": None, "ingredients": told, "placebo": none}
    (only,) = words.conclusions(result, "run")
    assert only.startswith("The winner's recipe diverges with some seeds")
    assert all(row[2:] == ("no score", "-", "") for row in words.table(result))


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ({}, "shrinkage ablate 'my run'"),
        ({"seconds_a_seed": 100.0}, "shrinkage ablate 'my run'"),
        ({"seconds_a_seed": 141.0}, "shrinkage ablate 'my run' --budget 8m"),
        ({"margin_asked": 0.001}, "shrinkage ablate 'my run' --margin 0.001"),
        ({"worth": {}}, "shrinkage ablate 'my run' --data-worth"),
        (
            {"worth": {}, "seconds_a_seed": 100.0},
            "shrinkage ablate 'my run' --data-worth --budget 9m",
        ),
        ({"metric": "function:cost"}, None),
        ({"start_from": "earlier"}, None),
        ({"winner": {"source": "plain"}}, None),
    ],
)
def test_a_command_that_would_refuse_is_not_named(change: dict, command: str | None) -> None:
    result = {"metric": "rmse", "start_from": "", "winner": {"source": "random"}} | change
    assert words.ablate_command(result, "my run") == command


def test_without_tuned_rates_there_are_effects_but_no_verdicts() -> None:
    look = RESULT | {"tuned": False, "first_look": True, "seeds_asked": 6}
    for each in look["ingredients"].values():
        assert "verdict" in each
    heads, rows = words.heads(look), words.table(look)
    assert heads[-1] == "95 % interval"
    assert {len(row) for row in rows} == {len(heads)} == {4}
    said = " ".join(words.conclusions(look, "run"))
    assert "shrinkage ablate run" in said
    assert "+0.0010 (95 % interval -0.0090 to +0.0110)" in said
    for verdict in ("helps", "hurts", "equivalent", "no evidence"):
        assert verdict not in said


def test_a_look_with_verdicts_that_ended_early_names_what_it_passed_over() -> None:
    look = RESULT | {"first_look": True, "passed_over": ["ema", "mixup"], "seconds_a_seed": 200.0}
    said = " ".join(words.conclusions(look, "run"))
    assert "Not looked at, for want of time: ema and mixup." in said
    assert "All of them: shrinkage ablate run --budget 10m" in said
    its = f"Of {len(look['ingredients'])} of its {len(look['ingredients']) + 2} ingredients"
    assert bought.sentence(look).startswith(its)
    assert bought.sentence(look, "the leading recipe's").startswith(
        its.replace("its", "the leading recipe's")
    )


def test_the_page_and_the_terminal_say_alike_what_diverges() -> None:
    told_ = RESULT["ingredients"] | {"norm": {"effect": None, "verdict": "diverged", "setting": ""}}
    result = RESULT | {"ingredients": told_}
    for said in (words.conclusions(result, "run")[0], bought.sentence(result)):
        assert "without norm training diverges" in said
    alone = RESULT | {"ingredients": {"norm": told_["norm"]}}
    for said in (words.conclusions(alone, "run")[0], bought.sentence(alone)):
        assert "without norm training diverges" in said
        assert "none" not in said
    none = {"effect": None, "verdict": None, "setting": "", "seeds_needed": None}
    lost = RESULT | {"score": None, "ingredients": {"norm": none}, "placebo": none}
    assert bought.sentence(lost) == words.conclusions(lost, "run")[0]
    assert all(isinstance(cell, str) for row in bought.effects(lost).numbers.rows for cell in row)


def test_tables_say_of_how_many_seeds_they_are() -> None:
    assert words.over([{"seeds": 2}, {"seeds": 2}]) == ", over 2 seeds"
    assert words.over([{"seeds": 5}, {"seeds": 2}]) == ", over 2 to 5 seeds"
    assert words.over([{"effect": None}]) == ""


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("metric", ["balanced_accuracy", "rmse"])
def test_no_number_is_cut_in_a_narrow_terminal(
    width: int, metric: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    long = told(0.015, "no evidence") | {"setting": "weight = 0.1, patience = 1,000,000"}
    names = {**RESULT["ingredients"], "confidence_penalty": long}
    more = {"metric": metric, "greater_is_better": metric != "rmse", "ingredients": names}
    about = {"folds": 5, "rows": 96, "networks": 540, "wall_s": 1.0, "recipe_hash": "h", "seed": 0,
             "versions": {"shrinkage": "0"}}  # fmt: skip
    monkeypatch.setattr(terminal.console, "_width", width)
    terminal.print_effects(RESULT | more | about, "run")
    table = capsys.readouterr().out.split("Of 6 ingredients")[0]
    assert max(map(len, table.splitlines())) <= width
    whole = table.split()
    for name, each in names.items():
        for word in (name, *(f"{end:+.4f}" for end in each["interval"]), *each["verdict"].split()):
            assert word in whole
    for word in ("patience", "1,000,000", "setting", "verdict", "interval"):
        assert word in whole
    assert "…" not in table


def test_a_persons_own_function_may_have_no_value_where_nothing_diverged() -> None:
    none = {"effect": None, "verdict": "no score", "setting": ""}
    result = RESULT | {"metric": "function:precision"}
    result |= {"ingredients": RESULT["ingredients"] | {"norm": none}}
    for said in (words.conclusions(result, "run")[0], bought.sentence(result)):
        assert "without norm training diverges or the metric is not defined" in said
    assert words.table(result)[0][2:] == ("no score", "-", "no score")
    (only,) = words.conclusions(result | {"score": None}, "run")
    assert only.startswith("The winner's recipe diverges or the metric is not defined")


def test_a_way_that_misses_the_winner_is_not_called_one_to_it() -> None:
    path = [{"ingredient": "ema", "seeds": 3}]
    assert words.way({"path": path, "path_whole": True}).startswith(
        "From the plain network to the winner"
    )
    assert words.way({"path": path}).startswith("From the plain network to the winner")
    assert "which it misses" in words.way({"path": path, "path_whole": False})
    assert "at every step but the last" in words.flattered({"path_whole": True})
    assert "at every step what is over" in words.flattered({"path_whole": False})


def test_what_noise_did_is_said_alike_in_terminal_and_report() -> None:
    """A placebo that gained 0.004 on other seeds: what other seeds do, with its own sign."""
    result = {**RESULT, "placebo": told(0.004, "no evidence")}
    assert "other seeds, +0.0040 (95 % interval -0.0060 to +0.0140)" in words.noise(result)
    assert bought.noise is words.noise
