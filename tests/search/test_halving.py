"""The rungs: who goes on, and where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.rows.minibatch import total_steps
from shrinkage.search.halving import RUNGS, passing, rung_steps

CASES = [
    # scores of the cohort, scores of earlier ones, who passes
    ({5: 0.9}, [], {5}),
    ({1: 0.1, 2: 0.2}, [], {2}),
    ({1: 0.1, 2: 0.2, 3: 0.3}, [], {3}),
    ({1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6}, [], {5, 6}),
    ({1: 0.5, 2: 0.6}, [0.9, 0.9, 0.9, 0.9], set()),
    ({1: 0.95, 2: 0.6}, [0.9, 0.9, 0.9, 0.9], {1}),
    ({1: 0.5, 2: 0.5, 3: 0.5}, [], {1, 2, 3}),
    ({1: -3.0, 2: -1.0, 3: -2.0}, [], {2}),
    ({}, [0.5], set()),
    ({}, [], set()),
]


@pytest.mark.parametrize(("cohort", "earlier", "expected"), CASES)
def test_the_best_third_of_all_that_were_seen_passes(cohort, earlier, expected) -> None:
    assert passing(cohort, [*earlier, *cohort.values()]) == expected


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40, unique=True))
def test_a_third_passes_and_none_that_is_worse(scores: list[float]) -> None:
    cohort = dict(enumerate(scores))
    kept = passing(cohort, scores)
    assert len(kept) == max(1, len(scores) // 3)
    rest = [score for number, score in cohort.items() if number not in kept]
    assert not rest or min(cohort[n] for n in kept) > max(rest)


@given(st.integers(2, 5000), st.integers(1, 512), st.integers(1, 100))
def test_rungs_stand_in_order_and_end_with_the_training(rows: int, batch: int, epochs: int) -> None:
    steps = rung_steps(rows, batch, epochs)
    assert len(steps) == len(RUNGS)
    assert 1 <= steps[0] <= steps[1] <= steps[2]
    assert steps[2] == total_steps(rows, batch, epochs)
