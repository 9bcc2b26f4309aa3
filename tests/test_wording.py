"""Numbers in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from shrinkage.wording import command, effect, ends, number, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (0.97222, "0.9722"),
        (0.0283, "0.0283"),
        (0.00999, "0.00999"),
        (0.00124, "0.00124"),
        (-0.000583, "-0.000583"),
        (0.0001, "0.000100"),
        (0.0000123, "1.23e-05"),
        (99.99, "99.9900"),
        (46084.85, "46,084.8"),
        (-1.23e12, "-1.23e+12"),
        (float("nan"), "-"),
        (float("-inf"), "-"),
        (None, "-"),
    ],
)
def test_three_digits_that_matter_are_there(value: float | None, text: str) -> None:
    assert number(value) == text


def test_small_scores_can_be_told_apart() -> None:
    assert number(0.00124) != number(0.00116)


def test_a_difference_has_a_sign() -> None:
    assert [signed(value) for value in (0.5, -0.5, -0.0)] == ["+0.5000", "-0.5000", "+0.0000"]


def test_the_ends_of_an_interval_have_the_same_decimals() -> None:
    assert ends(-0.016, -0.008, signed) == "-0.0160 to -0.0080"
    assert ends(0.0, 0.0056) == "0.00000 to 0.00560"
    assert ends(0.00041, 0.0247, signed) == "+0.0004 to +0.0247"
    assert effect(0.001, (-0.009, 0.011)) == ("+0.0010", "-0.0090 to +0.0110")
    assert effect(0.0002, (-0.0009, 0.00011)) == ("+0.000200", "-0.000900 to +0.000110")


def test_a_command_can_be_pasted() -> None:
    assert command("resume", Path("my run"), "--budget", "5m") == (
        "shrinkage resume 'my run' --budget 5m"
    )
    assert command("show", "run") == "shrinkage show run"
