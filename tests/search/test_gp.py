"""The Bayesian search: its mathematics against integrals and another library, its manners."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

from conftest import mixed, tiny_fit
from search.kills import killed_after
from shrinkage import run
from shrinkage.errors import BadInput
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.search import acquisition, likelihood, proposers, surrogate
from shrinkage.search.gp import FIRST, RANDOM_EVERY, GPSearch
from shrinkage.search.halving import RUNGS
from shrinkage.search.random import RandomSearch
from shrinkage.search.settings import Settings
from shrinkage.search.surrogate import Observation
from shrinkage.space import Space, load_space

SMALL = Space.from_toml(
    """
    [choose]
    activation = ["relu", "gelu", "mish"]
    normalization = ["none", "batch_norm"]
    schedule = ["cosine", "flat_cosine"]
    [vary]
    "network.mlp.width" = [64, 128, 256]
    "update.adam.lr" = { low = 1e-4, high = 1e-1 }
    "network.dropout.rate" = { high = 0.5, off = 0.2 }
    "update.decay.weight_decay" = { low = 1e-3, high = 4.0, off = 0.1 }
    "update.flat_cosine.flat" = {}
    """
)
BEST = {
    "update.adam.lr": 0.75,
    "network.dropout.rate": 0.6,
    "update.decay.weight_decay": 0.3,
    "network.mlp.width": 0.5,
}


def quality(recipe: Recipe) -> float:
    """A smooth function with its best inside the space, and two choices that matter."""
    place = dict(zip([d.path for d in SMALL.dimensions], SMALL.encode(recipe), strict=True))
    away = sum((place[path] - best) ** 2 for path, best in BEST.items())
    return -away - 0.2 * (place["activation"] < 0.5) - 0.1 * (place["normalization"] < 0.5)


def one(recipe: Recipe) -> float:
    return 1.0


def taught(
    space: Space = SMALL, *, seed: int = 0, recipes: int = 24, order: int = 1, cost=one
) -> GPSearch:
    """A search that heard of random recipes by rungs, as halving leaves them."""
    search = GPSearch(space, seed, cost)
    noise = np.random.default_rng(seed)
    told = []
    for i in range(recipes):
        (recipe,) = space.sample(50 + seed, i)
        for rung, share in enumerate(RUNGS):
            if i % 3**rung == 0:
                score = quality(recipe) - 0.3 * (1 - share) + 0.02 * noise.normal()
                told.append((recipe, share, score))
    for each in told[::order]:
        search.tell(*each)
    return search


# -- the acquisition ---------------------------------------------------------------------

CASES = [(mean, sd) for mean in (-6.0, -1.0, -0.2, 0.0, 1.5) for sd in (0.2, 1.0, 3.0)]


def integral(mean: float, sd: float, best: float) -> float:
    """E[max(f - best, 0)], f ~ N(mean, sd²), by quadrature."""
    end = max(best, mean) + 12 * sd
    return quad(lambda f: (f - best) * norm.pdf(f, mean, sd), best, end, epsabs=0, limit=200)[0]


@pytest.mark.parametrize(("mean", "sd"), CASES)
def test_log_ei_is_the_log_of_the_integral_and_so_is_its_gradient(mean: float, sd: float) -> None:
    best = 0.3
    at = torch.tensor([mean, sd**2], dtype=torch.float64, requires_grad=True)
    value = acquisition.log_ei(at[0], at[1], best)
    (gradient,) = torch.autograd.grad(value, at)
    value = value.detach()
    u = (mean - best) / sd
    if u > -12:  # where the integral is a number that floating point holds
        expected = integral(mean, sd, best)
        assert float(value) == pytest.approx(math.log(expected), abs=1e-7)
        # d EI / d mean = P(f > best), d EI / d variance = density of f at best / 2
        by_mean = quad(lambda f: norm.pdf(f, mean, sd), best, max(best, mean) + 12 * sd, epsabs=0)
        assert float(gradient[0]) == pytest.approx(by_mean[0] / expected, rel=1e-6)
        by_variance = norm.pdf(best, mean, sd) / 2
        assert float(gradient[1]) == pytest.approx(by_variance / expected, rel=1e-6)
    step = 1e-6
    for i in range(2):
        ends = [
            at.detach() + sign * step * torch.eye(2, dtype=torch.float64)[i] for sign in (1, -1)
        ]
        up, down = (acquisition.log_ei(end[0], end[1], best) for end in ends)
        assert float(gradient[i]) == pytest.approx(
            float(up - down) / (2 * step), rel=1e-5, abs=1e-9
        )


def test_log_ei_knows_no_hopeless_candidate() -> None:
    """EI itself is 0 in floating point from u = -39 on; its log and gradient go on."""
    u = -torch.logspace(-1, 6, 400, dtype=torch.float64)
    u.requires_grad_()
    value = acquisition.log_h(u)
    (gradient,) = torch.autograd.grad(value.sum(), u)
    u, value = u.detach(), value.detach()
    assert torch.isfinite(value).all()
    assert (value.diff() < 0).all()
    far = u < -30
    tail = -0.5 * math.log(2 * math.pi) - 2 * torch.log(-u)
    torch.testing.assert_close((value + 0.5 * u**2)[far], tail[far], rtol=0, atol=4e-3)
    torch.testing.assert_close(gradient[far], (-u - 2 / u)[far], rtol=1e-4, atol=0)


def test_ei_alone_is_wrong_where_cost_differs() -> None:
    """One dear candidate against ten cheap ones that together cost as much, all independent.

    Each cheap one promises less, so EI takes the dear one; for the same money the ten promise
    more than three times as much.
    """
    mean = torch.tensor([0.1] + [0.0] * 10, dtype=torch.float64)
    cov, costs = torch.eye(11, dtype=torch.float64), [10.0] + [1.0] * 10
    dear = integral(0.1, 1.0, 0.0)
    ten = quad(lambda z: z * 10 * norm.pdf(z) * norm.cdf(z) ** 9, 0, 12)[0]
    assert dear > integral(0.0, 1.0, 0.0)
    assert ten > 3 * dear
    money, spent, taken = 10.0, 0.0, {}
    for alpha in (0.0, 1.0):
        chosen, _ = acquisition.choose(mean, cov, 0.0, 0.01, 11, costs, alpha)
        spent, taken[alpha] = 0.0, []
        for i in chosen:
            if spent + costs[i] <= money:
                spent += costs[i]
                taken[alpha].append(i)
    assert taken[0.0] == [0]
    assert sorted(taken[1.0]) == list(range(1, 11))


@pytest.mark.parametrize(("alpha", "better"), [(1.0, "cheap"), (0.0, "dear")])
def test_a_cohort_is_worth_its_improvement_per_cost(alpha: float, better: str) -> None:
    log_eis = {"cheap": torch.tensor([0.0, 0.0]), "dear": torch.tensor([0.5, 0.5])}
    costs = {"cheap": [1.0, 1.0], "dear": [2.0, 2.0]}
    worths = {name: acquisition.worth(log_eis[name], costs[name], alpha) for name in costs}
    assert max(worths, key=worths.__getitem__) == better


# -- the surrogate -----------------------------------------------------------------------


def hyperparameters(model) -> dict[str, np.ndarray]:
    """Draw some, set them, and return them: everything that decides the covariance."""
    draw = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        value = 0.3 + torch.rand(parameter.shape, generator=draw, dtype=torch.float64)
        parameter.data = value
    return {name: p.detach().numpy().ravel() for name, p in model.named_parameters()}


def test_the_posterior_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    axes = [True, False, True, False]
    numbers, names = [0, 2], [1, 3]
    options = 3

    def points(n: int) -> tuple[torch.Tensor, np.ndarray]:
        x = random.random((n, 5))
        codes = random.integers(0, options, (n, 2))
        x[:, names] = (codes + 0.5) / options
        one_hot = np.eye(options)[codes].reshape(n, -1)
        return torch.from_numpy(x), np.hstack([x[:, numbers], x[:, 4:], one_hot])

    x, theirs = points(25)
    z, their_z = points(9)
    y = torch.from_numpy(random.normal(size=25))
    model = surrogate.model_of(x, y, axes)
    found = hyperparameters(model)
    noise, constant = (
        found["likelihood.noise_covar.raw_noise"][0],
        found["mean_module.raw_constant"],
    )
    own = "covar_module.kernels.0.base_kernel.kernels"
    lengths = [found[f"{own}.{i}.raw_lengthscale"] for i in range(3)]
    width = theirs.shape[1]

    def only(columns: list[int], values: np.ndarray) -> np.ndarray:
        scale = np.full(width, 1e12)  # a column so long matters to nobody
        scale[columns] = values
        return scale

    # exp(-[x differs] / (2 l)) of two dimensions, as a squared distance of one-hot columns
    hot = np.repeat(np.sqrt(len(names) * lengths[2]), options)
    kernel = ConstantKernel(found["covar_module.kernels.0.raw_outputscale"][0]) * Matern(
        only([2], lengths[0]), nu=2.5
    ) * Matern(only([0, 1], lengths[1]), nu=2.5) * RBF(
        only(list(range(3, width)), hot)
    ) + ConstantKernel(found["covar_module.kernels.1.raw_outputscale"][0]) * Matern(
        only([2], found["covar_module.kernels.1.base_kernel.raw_lengthscale"]), nu=2.5
    )
    reference = GaussianProcessRegressor(kernel + WhiteKernel(noise), optimizer=None, alpha=0)
    reference.fit(theirs, y.numpy() - constant)
    mean, cov = reference.predict(their_z, return_cov=True)
    with torch.no_grad():
        our_mean, our_cov = surrogate.posterior(model, z)
    np.testing.assert_allclose(our_mean.numpy(), mean + constant, atol=1e-6)
    np.testing.assert_allclose(our_cov.numpy() + noise * np.eye(9), cov, atol=1e-6)


def test_to_believe_is_to_be_told_what_was_expected() -> None:
    search = taught()
    axes = surrogate.ordered(SMALL)
    x, y = surrogate.rows_of(search.told)
    recipes = SMALL.sample(9, 9, 6)
    z = torch.tensor([[*SMALL.encode(r), 1.0] for r in recipes], dtype=torch.float64)
    model = surrogate.model_of(x, y, axes)
    noise = surrogate.noise_of(model)
    with torch.no_grad():
        mean, cov = surrogate.posterior(model, z)
        told = surrogate.model_of(torch.cat([x, z[:2]]), torch.cat([y, mean[:2]]), axes)
        expected = surrogate.posterior(told, z[2:])
    found = acquisition.after(mean, cov, -math.inf, noise, 2)
    torch.testing.assert_close(found[:2], expected, atol=1e-6, rtol=0)
    assert found[2] == float(mean[:2].max())
    assert (found[1].diagonal() < cov.diagonal()[2:]).all()


SPACES = {"small": SMALL, "tabular": load_space("tabular"), "numbers": Space.from_toml(
    '[vary]\n"update.adam.lr" = {}'), "names": Space.from_toml(
    '[choose]\nactivation = ["relu", "gelu"]')}  # fmt: skip


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
def test_the_fit_climbs_the_same_hill_as_gpytorch(space: Space) -> None:
    """Value, slopes, and where fifteen steps lead; some rows are equal in all but the share."""
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from gpytorch.mlls import ExactMarginalLogLikelihood

    random = np.random.default_rng(0)
    recipes = space.sample(0, 0, 12) * 3
    shares = np.repeat([0.0, 0.5, 1.0], 12)
    points = [[*space.encode(r), s] for r, s in zip(recipes, shares, strict=True)]
    x, y = torch.tensor(points, dtype=torch.float64), torch.from_numpy(random.normal(size=36))
    model = surrogate.model_of(x, y, surrogate.ordered(space))
    reference = copy.deepcopy(model)
    hyperparameters(model), hyperparameters(reference)
    theirs = ExactMarginalLogLikelihood(reference.likelihood, reference.train())
    expected = theirs(reference(x), y) * len(y)
    slopes = torch.autograd.grad(expected, list(reference.parameters()))
    found, ours = likelihood.log_posterior(model)()
    assert found == pytest.approx(float(expected.detach()), abs=1e-5)
    torch.testing.assert_close(tuple(ours), slopes, atol=1e-5, rtol=1e-5)
    likelihood.fit(model, 15)
    fit_gpytorch_mll_scipy(theirs, options={"maxiter": 15})
    for here, there in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(here, there, atol=1e-3, rtol=1e-3)


def test_repeats_teach_how_large_the_noise_is() -> None:
    """Equal recipes with unequal scores leave nothing else that could explain them."""
    random = np.random.default_rng(0)
    recipes = [SMALL.sample(1, i)[0] for i in range(12)]
    noises = []
    for size in (0.01, 0.5):
        told = [
            Observation(tuple(SMALL.encode(r)), 1.0, quality(r) + size * random.normal())
            for r in recipes
            for _ in range(4)
        ]
        model = surrogate.fitted(told, surrogate.ordered(SMALL))
        spread = np.std([each.score for each in told])
        noises.append(math.sqrt(surrogate.noise_of(model)) * spread)
    assert noises[0] < 0.1
    assert noises[1] == pytest.approx(0.5, rel=0.3)


def test_first_rungs_say_which_recipe_is_good_at_the_last() -> None:
    """Fidelity is an input: nothing was told of a whole training, and yet the order is known."""
    told = [
        Observation(tuple(SMALL.encode(r)), RUNGS[0], quality(r) - 1)
        for r in (SMALL.sample(1, i)[0] for i in range(40))
    ]
    model = surrogate.fitted(told, surrogate.ordered(SMALL))
    recipes = [SMALL.sample(2, i)[0] for i in range(60)]
    x = torch.tensor([[*SMALL.encode(r), 1.0] for r in recipes], dtype=torch.float64)
    with torch.no_grad():
        mean, _ = surrogate.posterior(model, x)
    assert np.corrcoef(mean, [quality(r) for r in recipes])[0, 1] > 0.8


def test_scores_are_standardized_whatever_went_wrong() -> None:
    usual = [0.90, 0.91, 0.92, 0.93, 0.94]
    y = surrogate.standardized([*usual, None, 0.1])
    assert float(y.mean()) == pytest.approx(0, abs=1e-12)
    assert float(y.std(correction=0)) == pytest.approx(1)
    assert float(y[5]) == float(y[6]) == float(y.min())  # diverged is as bad as the worst
    assert float(y[4] - y[0]) > 0.5  # one failure does not make the others alike
    infinite = surrogate.standardized([*usual, float("-inf"), 0.1])  # as where a fold has no score
    assert (infinite == y).all()
    for equal in ([0.5] * 4, [None, None], [0.5], [float("-inf")] * 9):
        assert (surrogate.standardized(equal) == 0).all()


def test_rungs_are_evenly_apart() -> None:
    assert [surrogate.fidelity(share) for share in RUNGS] == pytest.approx([0.0, 0.5, 1.0])


def test_the_order_of_telling_leaves_no_trace() -> None:
    told = taught().told
    rows, turned = surrogate.rows_of(told), surrogate.rows_of(told[::-1])
    for ours, theirs in zip(
        surrogate.thinned(*rows, 9), surrogate.thinned(*turned, 9), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_thinned_history_keeps_the_best_and_an_even_part_of_the_rest() -> None:
    y = torch.linspace(0, 1, 1000, dtype=torch.float64)[torch.randperm(
        1000, generator=torch.Generator().manual_seed(0))]  # fmt: skip
    x = torch.arange(1000.0)[:, None]
    kept_x, kept = surrogate.thinned(x, y, 100)
    assert len(kept) == len(kept_x) == len(kept_x.unique()) == 100
    assert set(y.topk(50).values.tolist()) <= set(kept.tolist())
    assert 0.3 < float(kept.sort().values[:50].mean()) < 0.6


# -- the search --------------------------------------------------------------------------


def test_what_it_asks_depends_on_what_it_heard_and_not_on_when() -> None:
    """Told in another order, and asked in between, as a study that was resumed."""
    pending = SMALL.sample(7, 7, 3)
    first, second = taught(), taught(order=-1)
    second.ask(6, 4, pending, 0.9)
    asked = first.ask(9, 4, pending, 0.5)
    assert second.ask(9, 4, pending, 0.5) == asked
    assert second.ask(10, 4, pending, 0.5) != asked
    second.tell(SMALL.sample(3, 3)[0], 1.0, 1.0)
    assert second.ask(9, 4, pending, 0.5) != asked


def test_it_begins_as_random_search_and_returns_to_it() -> None:
    first, again = RandomSearch(SMALL, 0), RandomSearch(SMALL, derive(0, "gp.random"))
    assert taught(recipes=FIRST - 1).ask(5, 4) == first.ask(5, 4)
    search = taught()
    every = (RANDOM_EVERY - 1, RANDOM_EVERY, RANDOM_EVERY + 1, 2 * RANDOM_EVERY)
    agree = [k for k in every if search.ask(k, 3) == again.ask(k // RANDOM_EVERY, 3)]
    assert agree == [RANDOM_EVERY, 2 * RANDOM_EVERY]


def test_it_keeps_to_its_share_of_the_time() -> None:
    """Where trainings take no longer than asking for them, chance is good enough."""
    search, chance = taught(), RandomSearch(SMALL, 0)
    search.allowed = lambda: 1e-6
    assert search.ask(5, 3) != chance.ask(5, 3)
    assert search.seconds > 1e-6
    assert search.ask(6, 3) == chance.ask(6, 3)
    search.allowed = lambda: math.inf
    assert search.ask(6, 3) != chance.ask(6, 3)


@pytest.mark.parametrize("space", [SMALL, load_space("tabular")], ids=["small", "tabular"])
def test_a_cohort_is_full_new_and_of_one_signature(space: Space) -> None:
    search = GPSearch(space, 0, one)
    random = np.random.default_rng(0)
    for i in range(12):
        search.tell(space.sample(1, i)[0], 1 / 9, random.normal() if i % 5 else None)
    known: list[Recipe] = []
    for cohort, count in ((5, 6), (6, 1), (7, 30)):
        recipes = search.ask(cohort, count, known)
        assert len(set(recipes)) == count
        assert len({recipe.signature for recipe in recipes}) == 1
        assert not set(recipes) & set(known)
        known += recipes


def test_a_used_up_space_is_not_asked_twice() -> None:
    space = Space.from_toml('[vary]\n"update.adam.lr" = [1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3,'
                            ' 7e-3, 8e-3, 9e-3, 1e-2]')  # fmt: skip
    search = GPSearch(space, 0, one)
    recipes = [space.decode([(i + 0.5) / 10]) for i in range(10)]
    for i, recipe in enumerate(recipes[:8]):
        search.tell(recipe, 1.0, float(i))
    assert set(search.ask(5, 4)) <= set(recipes[8:])
    assert search.ask(5, 4, recipes[8:9]) == recipes[9:]
    assert search.ask(5, 4, recipes[8:]) == []
    before = search.seconds
    assert len(search.ask(6, 4, recipes[8:])) == 4  # at random, old ones too, and at once
    assert search.seconds == before


@pytest.mark.parametrize(("left", "widths"), [(1.0, {64}), (0.0, {128})])
def test_dear_recipes_are_asked_for_late(left: float, widths: set[int]) -> None:
    """Width 128 is a little better and costs fifty times as much."""

    def dear(recipe: Recipe) -> float:
        return 50.0 if recipe.get("architecture").width > 64 else 1.0

    asked = taught(cost=dear).ask(5, 4, left=left)
    assert {recipe.get("architecture").width for recipe in asked} == widths


def test_recipes_outside_the_space_are_passed_over() -> None:
    search = taught()
    before = list(search.told)
    search.tell(Recipe().using(*Recipe.from_toml("[network.tanh]").ingredients), 1.0, 9.9)
    assert search.told == before


def searched(make: Callable[[int], RandomSearch | GPSearch], seed: int) -> float:
    """The best of 30 recipes, a cohort behind as with two processes."""
    search, asked, waiting = make(seed), [], []
    noise = np.random.default_rng(seed)
    for cohort in (1, 2, 3, 5, 6):
        recipes = search.ask(cohort, 6, waiting)
        for recipe in waiting:
            search.tell(recipe, 1.0, quality(recipe) + 0.02 * noise.normal())
        waiting = recipes
        asked += recipes
    return max(map(quality, asked))


def test_it_finds_more_than_random_search() -> None:
    seeds = range(4)
    guided = [searched(lambda seed: GPSearch(SMALL, seed, one), seed) for seed in seeds]
    chance = [searched(lambda seed: RandomSearch(SMALL, seed), seed) for seed in seeds]
    assert all(ours >= theirs for ours, theirs in zip(guided, chance, strict=True))
    # The best is 0: what is missing falls to about a half.
    assert np.mean(guided) > 0.7 * np.mean(chance)


# -- in a study --------------------------------------------------------------------------


def test_a_study_asks_it_and_goes_on_with_what_it_heard(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """A run that is killed asks for the same recipes afterwards as one that is not."""

    def recipes(folder: Path) -> list[str]:
        return [trial.recipe for trial in run.trials_of(folder)]

    monkeypatch.setattr(
        "shrinkage.search.asking.cohort_size", lambda *asked: 6
    )  # whatever the load
    asked = {"search": "gp", "trials": 26, "cv": "holdout"}
    whole = tiny_fit(mixed(), "y", tmp_path / "whole", tiny, **asked)
    trials = run.trials_of(whole)
    assert [trial.source for trial in trials] == ["default", "plain", *["gp"] * 24]
    cohorts = {trial.cohort: [] for trial in trials}
    for trial in trials:
        cohorts[trial.cohort].append(Recipe.from_toml(trial.recipe))
    assert all(len({r.signature for r in each}) == 1 for each in cohorts.values())
    random = tiny_fit(mixed(), "y", tmp_path / "random", tiny, **asked | {"search": "random"})
    assert recipes(random) != recipes(whole)
    with killed_after(8, monkeypatch):
        tiny_fit(mixed(), "y", tmp_path / "killed", tiny, **asked)
    assert len(recipes(tmp_path / "killed")) < 26
    run.resume(tmp_path / "killed")
    assert recipes(tmp_path / "killed") == recipes(whole)


AUTO = [
    (60.0, None, "gp"),
    (30.0, None, "random"),
    (30.0, 100, "gp"),
    (3600.0, 6, "random"),
]


@pytest.mark.parametrize(("budget_s", "trials", "expected"), AUTO)
def test_auto_is_gp_where_there_is_something_to_learn_from(
    budget_s: float, trials: int | None, expected: str, monkeypatch
) -> None:
    assert proposers.named("auto", budget_s, trials) == expected
    monkeypatch.setattr(proposers, "find_spec", lambda package: None)
    assert proposers.named("auto", budget_s, trials) == "random"


@pytest.mark.parametrize("name", ["gp", "optuna"])
def test_a_missing_extra_is_named_with_the_way_to_get_it(name: str, monkeypatch) -> None:
    monkeypatch.setattr(proposers, "find_spec", lambda package: None)
    settings = Settings("table", "y", search=name)
    for ask in (
        lambda: proposers.named(name, 60.0, None),
        lambda: proposers.made(settings, SMALL, one, float, Path()),
    ):
        with pytest.raises(BadInput, match=rf"pip install -e '\.\[{name}\]'") as caught:
            ask()
        assert len(str(caught.value).splitlines()) <= 3
        assert "or use --search random" in str(caught.value)


def test_a_missing_extra_that_earlier_studies_need_is_laid_to_them(monkeypatch) -> None:
    monkeypatch.setattr(proposers, "find_spec", lambda package: None)
    with pytest.raises(BadInput, match="--prior needs BoTorch") as caught:
        proposers.named("auto", 60.0, None, prior=True)
    assert str(caught.value).endswith("or leave out --prior")
