"""The checks: each takes a case and raises AssertionError where the ingredient breaks a rule.

Populations of a few members, each with settings of its own, are trained for some dozen steps.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shrinkage.catalog import DEFAULTS
from shrinkage.ingredient import fields_of, neutral, switchable
from shrinkage.nets.table import TableShape
from shrinkage.population import captured, checkpoint
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.predict import forward
from shrinkage.population.state import State, start
from shrinkage.population.step import augmented, moment_of, objective
from shrinkage.population.train import advance
from shrinkage.recipe import Recipe
from shrinkage.search.effect import without_effect
from shrinkage.space import Space
from shrinkage.testing.case import (
    STEPS,
    Case,
    cohort_of,
    ended,
    fit_quality,
    small_table,
    trained,
)
from shrinkage.testing.recording import recorded

COUNT = 4
ALONE = 1e-10
"""Matrix products of one member and of several round differently; 20 steps let that grow."""
DIFFERENCE, SLOPE = 1e-6, 1e-6


def _cohort(case: Case, recipes: list[Recipe], dtype: torch.dtype = torch.float64) -> Cohort:
    """One member a recipe; seeds and folds differ, as in a study."""
    members = [Member(recipe, seed=i % 3, fold=i % 2) for i, recipe in enumerate(recipes)]
    return cohort_of(members, small_table(case.task, dtype=dtype))


def toml_round_trip(case: Case) -> None:
    """A recipe with the ingredient comes back from its text equal, with the same hash."""
    for recipe in case.recipes(20):
        again = Recipe.from_toml(recipe.to_toml())
        assert again == recipe, f"{recipe} came back as {again}"
        assert again.hash == recipe.hash


def searchable(case: Case) -> None:
    """A space over all its numbers gives valid recipes that encode back to their points."""
    entry = case.entry
    varied = [
        f'"{entry.place}.{entry.name}.{f.name}" = {{}}' for f in fields_of(case.kind) if f.number
    ]
    without = '"none", ' if entry.role not in DEFAULTS else ""
    roles = f'{entry.role} = [{without}"{entry.name}"]'
    space = Space.from_toml("\n".join([f"[choose]\n{roles}", "[vary]", *varied]))
    for recipe in space.sample(seed=0, index=0, count=20):
        point = space.encode(recipe)
        assert all(0 <= u <= 1 for u in point), point
        again = space.encode(space.decode(point))
        np.testing.assert_allclose(again, point, atol=0.02, err_msg=str(recipe))


def alone_as_among_others(case: Case) -> None:
    """Each member of a population ends as it does alone."""
    cohort = _cohort(case, case.recipes(COUNT))
    together = ended(trained(cohort))
    assert torch.isfinite(together).all(), "its own search range makes it diverge"
    for i in range(COUNT):
        alone = ended(trained(cohort.select([i])))[0]
        torch.testing.assert_close(together[i], alone, rtol=0, atol=ALONE)


def permuting_members_permutes_results(case: Case) -> None:
    cohort = _cohort(case, case.recipes(COUNT))
    order = [2, 0, 3, 1]
    permuted = ended(trained(cohort.select(order)))
    torch.testing.assert_close(permuted, ended(trained(cohort))[order], rtol=0, atol=ALONE)


def the_same_twice(case: Case) -> None:
    """Training is a pure function of recipe, seed and fold, bit for bit."""
    recipes = case.recipes(COUNT)
    first, second = (ended(trained(_cohort(case, recipes))) for _ in range(2))
    assert torch.equal(first, second)


def it_acts(case: Case) -> None:
    """It changes what is learned, or two of its settings do."""
    without = case.base.without(case.entry.role).for_task(case.task)
    recipes = [without, *case.recipes(2)]
    if len({recipe.hash for recipe in recipes}) == 1:
        return  # what fills the role where a recipe leaves it open
    dataset = small_table(case.task)
    first, *others = (ended(trained(cohort_of([Member(recipe)], dataset))) for recipe in recipes)
    same = [other.shape == first.shape and torch.equal(other, first) for other in others]
    assert not all(same), "it changes nothing"


def neutral_is_the_identity(case: Case) -> None:
    """A member at the neutral value, beside members that use it, trains as one without it."""
    plain = case.base.without(case.entry.role).for_task(case.task)
    off = case.base.using(neutral(case.kind)).for_task(case.task)
    assert off == plain, "a neutral ingredient must leave the recipe's normal form"
    members = [plain, *case.recipes(COUNT - 1)]
    beside = ended(trained(_cohort(case, members)))[0]
    among_its_like = ended(trained(_cohort(case, [plain] * COUNT)))[0]
    torch.testing.assert_close(beside, among_its_like, rtol=0, atol=0)


def can_be_captured(case: Case) -> None:
    """Its steps, recorded once and run again, are the readable ones; a GPU could capture them."""
    cohort = _cohort(case, case.recipes(COUNT))
    steps = captured.Captured(recorded, waited=captured.WARM)
    vars(cohort)["captured"] = steps
    found = ended(trained(cohort))
    assert steps.tape is not None, steps.trouble
    expected = ended(trained(_cohort(case, case.recipes(COUNT))))
    torch.testing.assert_close(found, expected, rtol=0, atol=ALONE)


def goes_on_from_a_checkpoint(case: Case) -> None:
    """Saved mid-run and read again, a training ends as if it had not been interrupted."""
    cohort = _cohort(case, case.recipes(COUNT))
    half = trained(cohort, STEPS // 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.safetensors"
        checkpoint.save(half, path)
        again = checkpoint.load(cohort, path)
    there = ended(advance(again, STEPS, fit_quality))
    assert torch.equal(there, ended(trained(cohort)))


def keeps_the_dtype(case: Case) -> None:
    """Training in float32 stays in float32; a number a member may be kept more precisely."""
    state = trained(_cohort(case, case.recipes(2), torch.float32), 3).state
    found: dict[str, torch.dtype] = {}
    for name, value in (("weights", state.weights), ("statistics", state.statistics)):
        found[name] = value.dtype
    for ingredient, slots in state.slots.items():
        found |= {f"{ingredient}.{n}": s.dtype for n, s in slots.items() if s.dim() > 1}
    wrong = {n: d for n, d in found.items() if d.is_floating_point and d != torch.float32}
    assert not wrong, wrong


def gradient_is_the_slope(case: Case) -> None:
    """The gradient along random directions equals centred differences of the loss."""
    cohort = _cohort(case, case.recipes(COUNT))
    state = trained(cohort, 2).state
    positions = torch.arange(16).expand(COUNT, 16)
    batch = cohort.dataset.batch(cohort.folds, positions)
    moment = moment_of(cohort, state)
    batch = augmented(cohort, batch, moment)

    def at(weights: Tensor) -> tuple[Tensor, Tensor]:
        """Fresh copies: a step consumes its state."""
        moved: State = replace(state, weights=weights.clone())
        loss, grad, _ = objective(cohort, moved, batch, moment)
        return loss, grad

    grad = at(state.weights)[1]
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        toward = torch.randn(grad.shape, generator=generator, dtype=grad.dtype)
        up, down = (at(state.weights + s * DIFFERENCE * toward)[0] for s in (1, -1))
        slope = (up - down) / (2 * DIFFERENCE)
        torch.testing.assert_close((grad * toward).sum(1), slope, rtol=SLOPE, atol=SLOPE)


def a_prediction_depends_on_its_row_alone(case: Case) -> None:
    """Inference draws nothing and mixes no rows."""
    cohort = _cohort(case, case.recipes(2))
    state = trained(cohort, 5).state
    sample = cohort.dataset.folds[0].validation
    whole = forward(cohort.network, state.weights, state.statistics, [sample] * 2)
    one = replace(sample, inputs={name: x[3:4] for name, x in sample.inputs.items()})
    single = forward(cohort.network, state.weights, state.statistics, [one] * 2)
    for all_rows, row in zip(whole, single, strict=True):
        torch.testing.assert_close(all_rows[3:4], row, rtol=0, atol=1e-12)


def says_where_it_has_no_effect(case: Case) -> None:
    """On a table on which it cannot act, it is named, and training goes on without."""
    other = "regression" if case.task == "classification" else "classification"
    plain, some = TableShape(2, (3,), 3), TableShape(0, (3,), 3)
    nowhere = {
        "classes": ("regression", plain),
        "numbers to predict": ("classification", plain),
        "numeric columns": (case.task, some),
        "residual blocks": (case.task, plain),
        "two residual branches": (case.task, plain),
    }
    task, shape = nowhere.get(case.entry.only, (other, plain))
    asked = case.settings(1)
    named = [line.split()[0] for line in without_effect(asked, Recipe(*asked), task, shape)]
    assert named == ([case.entry.name] if case.entry.only else [])


def is_off_without_a_trace(case: Case) -> None:
    """Where all members are at the neutral value, the step does not even call it."""
    off = case.base.using(neutral(case.kind)).for_task(case.task)
    assert case.entry.name not in _cohort(case, [off] * 2).hyper


def starts_with_its_slots(case: Case) -> None:
    """What it remembers has one row a member from the start."""
    state = start(_cohort(case, case.recipes(3)))
    for name, slot in state.slots.get(case.entry.name, {}).items():
        assert len(slot) == 3, f"slot {name} has shape {tuple(slot.shape)}"


def is_switchable(case: Case) -> bool:
    return switchable(case.kind)
