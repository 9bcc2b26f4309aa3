"""What a reader is told of a recipe's worth in rows: never more than the interval says."""

from __future__ import annotations

from typing import Any

import pytest

from shrinkage.evidence import worth_words
from shrinkage.wording import times


def told(value: float | None, low: float | None, high: float | None, beyond: Any = None) -> dict:
    return {
        "times": value,
        "beyond": beyond,
        "interval": [low, high],
        "seen": [0.0625, 16.0],
        "rows": [640, 320, 160, 80, 40],
        "ingredients": {},
    }


SAID = [
    (told(2.29, 1.8, 3.14), "worth 2.3 times the rows (95 % interval 1.8 to 3.1): with about 279 "
     "it is as good as the plain network with 640."),
    (told(12.3, 4.2, None), "worth 12 times the rows (95 % interval 4.2 to more than 16)"),
    (told(None, 5.0, None, "most"), "worth more than 16 times the rows (95 % interval 5.0 to more "
     "than 16): with 40, the fewest that were tried, it does no worse than"),
    (told(None, 16.0, None, "most"), "worth more than 16 times the rows (95 % interval more than "
     "16): with 40"),
    (told(0.61, 0.4, 0.8), "worth fewer rows than there are, 0.61 times (95 % interval 0.4 to "
     "0.8): with about 390 the plain network is as good as it with 640."),
    (told(None, None, 0.5, "least"), "worth less than 0.0625 times the rows (95 % interval less "
     "than 0.0625 to 0.5)"),
    (told(1.4, 0.9, 2.1), "No evidence that the recipe is worth more rows: 1.4 times (95 % "
     "interval 0.9 to 2.1)."),
    (told(1.4, None, None), "No evidence that the recipe is worth more rows: 1.4 times (95 % "
     "interval less than 0.0625 to more than 16)."),
    (told(None, 0.9, None, "most"), "No evidence that the recipe is worth more rows: more than 16"),
]  # fmt: skip


@pytest.mark.parametrize(("worth", "said"), SAID)
def test_what_it_is_worth(worth: dict[str, Any], said: str) -> None:
    assert said in worth_words.whole(worth)


def test_ingredients() -> None:
    its = told(2.0, 1.5, 3.0)
    its["ingredients"] = {"dropout": told(1.62, 1.2, 2.2), "mlp": told(None, 3, None, "most")}
    lines = worth_words.sentences({"worth": its})
    assert lines[1] == (
        "Beside the recipe without it, dropout is worth 1.6 times the rows (95 % interval 1.2 to "
        "2.2) and mlp is worth more than 16 times the rows (95 % interval 3.0 to more than 16)."
    )


def test_nothing_is_said_where_nobody_asked() -> None:
    assert worth_words.sentences({}) == worth_words.markdown({}) == []
    (line,) = worth_words.sentences({"worth": {"missing": "time ended first."}})
    assert line == "What the recipe is worth in rows is not known: time ended first."


def test_times() -> None:
    known = {0.0625: "0.062", 0.61: "0.61", 0.97: "1.0", 1: "1.0", 9.94: "9.9", 12.3: "12"}
    assert {factor: times(factor) for factor in known} == known
