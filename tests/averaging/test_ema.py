"""The moving average of weights: its limits, and its equation step by step."""

import pytest
import torch

from population.samples import cohort_of, table, trained
from shrinkage.averaging.ema import Ema, ema
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

DECAYS = torch.tensor([0.0, 0.5, 0.9, 0.999], dtype=torch.float64)


def _walk(steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(steps, 4, 6, generator=generator, dtype=torch.float64).cumsum(0)


def after(average: torch.Tensor, weights: torch.Tensor, step: int) -> torch.Tensor:
    return ema(weights, {"average": average}, step, DECAYS)[1]["average"]


def test_the_average_of_constant_weights_is_that_constant() -> None:
    weights = _walk(1)[0]
    average = weights.clone()
    for t in range(100):
        average = after(average, weights, t)
    torch.testing.assert_close(average, weights, rtol=0, atol=1e-12)


def test_decay_zero_is_the_last_weights() -> None:
    path = _walk(30)
    average = torch.zeros_like(path[0])
    for t, weights in enumerate(path):
        average = after(average, weights, t)
        assert torch.equal(average[0], weights[0])
        assert not torch.equal(average[3], weights[3])


@pytest.mark.parametrize("member", range(4))
def test_the_average_is_its_equation(member: int) -> None:
    path, decay = _walk(200), float(DECAYS[member])
    average, expected = path[0].clone(), path[0, member].clone()
    for t, weights in enumerate(path):
        average = after(average, weights, t)
        share = min(decay, (1 + t) / (10 + t))
        expected = share * expected + (1 - share) * weights[member]
    torch.testing.assert_close(average[member], expected, rtol=0, atol=1e-12)


def test_a_population_presents_the_average_and_trains_on_from_the_last() -> None:
    fixed = (Minibatch(batch_size=20, epochs=20), Mlp(width=6), Adam(lr=0.03))
    plain = Recipe(*fixed).for_task("classification")
    members = [Member(plain), Member(plain.using(Ema(decay=0.9)))]
    ended = trained(cohort_of(members, table()), 20)
    assert torch.equal(ended.state.weights[0], ended.state.weights[1])
    assert torch.equal(ended.outcome(0).weights[0], ended.state.weights[0])

    average = trained(cohort_of([members[0]], table()), 0).state.weights[0]
    for t in range(20):
        share = min(0.9, (1 + t) / (10 + t))
        now = trained(cohort_of([members[0]], table()), t + 1).state.weights[0]
        average = share * average + (1 - share) * now
    torch.testing.assert_close(ended.outcome(1).weights[0], average, rtol=0, atol=1e-10)
