"""Random search: points spread more evenly than chance, and a pure function of what it is asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import qmc

from shrinkage.dimension import Options
from shrinkage.search.random import KEEP, RandomSearch, points
from shrinkage.space import Space, load_space

TABULAR = load_space("tabular")
SMALL = Space.from_toml(
    """
    [choose]
    activation = ["relu", "gelu", "mish"]
    normalization = ["none", "batch_norm"]
    [vary]
    "network.mlp.width" = [64, 128, 256]
    "update.adam.lr" = { low = 1e-4, high = 1e-1 }
    "network.dropout.rate" = { high = 0.5, off = 0.2 }
    "loss.label_smoothing.eps" = {}
    """
)
FIXED = torch.tensor([d.structural for d in SMALL.dimensions])


def asked(seed: int, cohorts: range, count: int) -> torch.Tensor:
    """u [cohorts, count, d]"""
    return torch.stack([points(SMALL, seed, cohort, count) for cohort in cohorts])


PARTS: list[tuple[str, Callable[[torch.Tensor], torch.Tensor]]] = [
    ("structural, a point a cohort", lambda u: u[:, 0, FIXED]),
    ("numbers, one after the other", lambda u: u[:, :, ~FIXED].flatten(0, 1)),
]


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[name for name, _ in PARTS])
@pytest.mark.parametrize(("cohorts", "count"), [(range(2, 40), 5), (range(100, 130), 4)])
def test_points_are_spread_more_evenly_than_chance(name, part, cohorts: range, count: int) -> None:
    ours = [part(asked(seed, cohorts, count)).numpy() for seed in range(12)]
    chance = [np.random.default_rng(seed).random(ours[0].shape) for seed in range(12)]
    found, usual = (np.mean([qmc.discrepancy(u) for u in each]) for each in (ours, chance))
    assert found < 0.6 * usual


def test_a_cohort_is_a_pure_function_of_what_it_is_asked() -> None:
    search = RandomSearch(TABULAR, 3)
    one = search.ask(5, 4)
    search.ask(9, 2)
    search.tell(one[0], 1.0, 0.5)
    assert RandomSearch(TABULAR, 3).ask(5, 4) == search.ask(5, 4) == one
    others = [search.ask(6, 4), RandomSearch(TABULAR, 4).ask(5, 4), search.ask(5, 6)[:4]]
    assert all(other != one for other in others)


@pytest.mark.parametrize("space", [SMALL, TABULAR], ids=["small", "tabular"])
def test_a_cohort_has_one_signature_and_members_that_differ(space: Space) -> None:
    search = RandomSearch(space, 0)
    for cohort in range(2, 22):
        recipes = search.ask(cohort, 6)
        assert len({recipe.signature for recipe in recipes}) == 1
        assert len(set(recipes)) > 3  # the base may come twice where little varies


def test_every_choice_is_met_and_half_of_the_base_is_kept() -> None:
    u = asked(1, range(2, 130), 4).flatten(0, 1)
    kept = (u < KEEP).double().mean(0)
    torch.testing.assert_close(kept, torch.full_like(kept, KEEP), atol=0.03, rtol=0)
    recipes = [r for cohort in range(2, 130) for r in RandomSearch(SMALL, 1).ask(cohort, 4)]
    for path in ("update.adam.lr", "activation"):
        place = [d.path for d in SMALL.dimensions].index(path)
        options = getattr(SMALL.dimensions[place].over, "values", ())
        at_base = SMALL.encode(SMALL.base)[place]
        as_base = np.mean([SMALL.encode(recipe)[place] == at_base for recipe in recipes])
        # An option may be drawn anew and be the base's.
        expected = KEEP + (1 - KEEP) / len(options) if options else KEEP
        assert as_base == pytest.approx(expected, abs=0.05)
    met = np.array([SMALL.encode(recipe) for recipe in recipes])
    for place, dimension in enumerate(SMALL.dimensions):
        if isinstance(dimension.over, Options):
            options = range(len(dimension.over.values))
            assert {(i + 0.5) / len(options) for i in options} <= set(met[:, place])
        else:
            assert len(set(met[:, place])) > 100


def test_a_space_of_choices_alone_and_one_of_numbers_alone() -> None:
    choices = Space.from_toml('[choose]\nactivation = ["relu", "gelu", "mish"]')
    numbers = Space.from_toml('[vary]\n"update.adam.lr" = {}')
    assert len({r for k in range(12) for r in RandomSearch(choices, 0).ask(k, 1)}) == 3
    assert len({r for k in range(12) for r in RandomSearch(numbers, 0).ask(k, 2)}) > 10
