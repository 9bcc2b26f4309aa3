"""What a person reads beside the table."""

from __future__ import annotations

from typing import Any

import pytest

from shrinkage.cli import terminal

RESULT: dict[str, Any] = {
    "metric": "log_loss",
    "winner": {"trial": 7, "source": "random", "networks_on_folds": 5, "networks_on_all_rows": 0},
    "n_trials": 30,
    "n_trials_finished": 4,
    "n_members_diverged": 0,
    "wall_s": 1.0,
    "budget_s": 2.0,
    "rows": {"training": 200, "validation": 200, "test": 50, "folds": 5},
}
BEGIN, INTERVAL = "Validation log loss 0.5000", "95 % interval 0.4600 to 0.5800"
CASES = [
    # corrected, optimism, trials, the sentence
    (0.52, 0.02, 4, f"{BEGIN} is the winner's of 4 trials; corrected for that choice it is 0.5200 "
     f"({INTERVAL})."),
    (0.49, -0.01, 4, f"{BEGIN} is the winner's of 4 trials; no sign that the choice flatters it "
     f"({INTERVAL})."),
    (0.50, 0.0, 1, f"{BEGIN} ({INTERVAL}) is of the only trial: nothing was chosen by it."),
]  # fmt: skip


@pytest.mark.parametrize(("corrected", "optimism", "trials", "sentence"), CASES)
def test_optimism_in_words(corrected: float, optimism: float, trials: int, sentence: str) -> None:
    found = {
        "validation": 0.5,
        "corrected": corrected,
        "optimism": optimism,
        "interval": [0.46, 0.58],
        "trials": trials,
        "rows": 100,
    }
    assert terminal.summary({**RESULT, "optimism": found}, "run")[1] == sentence


@pytest.mark.parametrize(("gain", "side"), [(0.02, "lower"), (-0.02, "higher")])
def test_a_loss_against_the_plain_network_is_called_one(gain: float, side: str) -> None:
    against = {"mean_loss_reduction": gain, "standard_error": 0.01, "rows": 50}
    result = {**RESULT, "task": "classification", "against_plain": against}
    said = terminal.summary(result, "run")
    expected = f"{side} by 0.0200 (95 % interval 0.0004 to 0.0396)."
    assert any(line.endswith(expected) for line in said)


def test_whose_recipe_trial_0_had_is_said() -> None:
    winner = {**RESULT["winner"], "source": "default"}
    for own, words in ((False, "the default recipe itself"), (True, "the given recipe itself")):
        result = {**RESULT, "winner": winner, "own_recipe": own}
        assert f"The winner is {words}:" in terminal.summary(result, "run")[0]


def test_where_it_is_not_defined_or_of_an_older_run_nothing_is_said() -> None:
    for older in (RESULT, {**RESULT, "optimism": None}):
        assert not any("Validation" in line for line in terminal.summary(older, "run"))
