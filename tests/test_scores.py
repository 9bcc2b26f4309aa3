"""Metrics equal scikit-learn's, member by member, and keep the invariances they should."""

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor

from shrinkage import measures, scores
from shrinkage.errors import BadInput


@dataclass(frozen=True)
class Twin:
    """A metric and scikit-learn's function (output of one member, target) of the same name."""

    name: str
    sklearn: Callable[[np.ndarray, np.ndarray], float]

    def __str__(self) -> str:
        return self.name


def _sk_auc(p: np.ndarray, y: np.ndarray) -> float:
    if p.shape[1] == 2:
        return float(sk.roc_auc_score(y, p[:, 1]))
    return float(sk.roc_auc_score(y, p, multi_class="ovr"))


def _sk_f1(p: np.ndarray, y: np.ndarray) -> float:
    if p.shape[1] == 2:
        return float(sk.f1_score(y, p.argmax(1), zero_division=0.0))  # pyright: ignore
    return float(sk.f1_score(y, p.argmax(1), average="macro"))


TWINS = [
    Twin("accuracy", lambda p, y: sk.accuracy_score(y, p.argmax(1))),
    Twin("balanced_accuracy", lambda p, y: sk.balanced_accuracy_score(y, p.argmax(1))),
    Twin("log_loss", lambda p, y: sk.log_loss(y, p, labels=np.arange(p.shape[1]))),
    Twin("roc_auc", _sk_auc),
    Twin("f1", _sk_f1),
    Twin("rmse", lambda f, y: sk.root_mean_squared_error(y, f)),
    Twin("mae", lambda f, y: sk.mean_absolute_error(y, f)),
    Twin("r2", lambda f, y: sk.r2_score(y, f)),
    Twin("pinball_0.1", lambda f, y: sk.mean_pinball_loss(y, f, alpha=0.1)),
    Twin("pinball_0.75", lambda f, y: sk.mean_pinball_loss(y, f, alpha=0.75)),
]
CLASSIFICATION = [twin for twin in TWINS if scores.find(twin.name).task == "classification"]
ROW_MEANS = [twin for twin in TWINS if twin.name != "roc_auc"]


def _problem(task: str, seed: int, members: int = 3, rows: int = 200, classes: int = 4):
    """Output and target with ties, certainties (p = 0 and 1) and unbalanced classes."""
    draw = torch.Generator().manual_seed(seed)
    if task == "regression":
        target = torch.randn(members, rows, generator=draw, dtype=torch.float64) * 3 + 1
        noise = torch.randn(members, rows, generator=draw, dtype=torch.float64)
        return (target + noise).round(decimals=1), target.round(decimals=1)
    share = torch.arange(1, classes + 1, dtype=torch.float64) ** 2
    target = torch.multinomial(share.expand(members, -1), rows, True, generator=draw)
    target[:, :classes] = torch.arange(classes)  # every class has a row
    signal = torch.nn.functional.one_hot(target, classes)
    logit = (signal + torch.randn(signal.shape, generator=draw)).round()  # few values: ties
    logit[:, ::10] *= 200  # sure rows, right and wrong
    return logit.softmax(-1).float(), target


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_each_member_scores_as_scikit_learn_does(twin: Twin, classes: int) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=classes, classes=classes)
    value = metric.function(output, target)
    expected = [twin.sklearn(o.numpy(), y.numpy()) for o, y in zip(output, target, strict=True)]
    assert value.shape == (3,)
    assert value.dtype == torch.float64
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_member_of_many_scores_as_it_does_alone(twin: Twin) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=1, members=5)
    together = metric.function(output, target)
    alone = torch.cat([metric.function(output[[m]], target[[m]]) for m in range(5)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
    assert together.unique().numel() == 5  # the members do differ


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_shared_target_is_every_members_target(twin: Twin) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=2)
    torch.testing.assert_close(
        metric.function(output, target[0]),
        metric.function(output, target[0].repeat(3, 1)),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_broken_member_scores_nan_and_leaves_the_others_alone(twin: Twin) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=3)
    healthy = metric.function(output, target)
    output[1, 7] = torch.nan
    value = metric.function(output, target)
    assert value[1].isnan()
    torch.testing.assert_close(value[[0, 2]], healthy[[0, 2]], rtol=0, atol=0)


@pytest.mark.parametrize("twin", TWINS, ids=str)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_the_order_of_rows_does_not_matter(twin: Twin, seed: int) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed, rows=40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        metric.function(output[:, order], target[:, order]), metric.function(output, target)
    )


@pytest.mark.parametrize("classes", [2, 5])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_monotone_transform_of_the_scores_leaves_auc(classes: int, seed: int) -> None:
    probability, target = _problem("classification", seed, rows=40, classes=classes)
    level = (probability * 50).round().long()
    steps = torch.rand(51, generator=torch.Generator().manual_seed(seed)) + 0.01
    # a table, not a formula: equal scores stay exactly equal
    torch.testing.assert_close(
        scores.roc_auc(steps.cumsum(0)[level], target), scores.roc_auc(level.float(), target)
    )


def test_auc_counts_pairs_and_ties_are_half_a_win() -> None:
    score = torch.tensor([0.1, 0.4, 0.4, 0.8])
    probability = torch.stack([1 - score, score], -1)[None]
    target = torch.tensor([0, 1, 0, 1])  # pairs: 0.4>0.1, 0.4=0.4, 0.8>0.1, 0.8>0.4
    torch.testing.assert_close(scores.roc_auc(probability, target).item(), 3.5 / 4)


def test_absent_classes_are_left_out() -> None:
    probability, target = _problem("classification", seed=4, classes=5)
    target = target % 3  # classes 3 and 4 have no row
    each = [
        sk.roc_auc_score(target[0].numpy() == c, probability[0, :, c].numpy()) for c in range(3)
    ]
    torch.testing.assert_close(scores.roc_auc(probability, target)[0].item(), float(np.mean(each)))
    recall = [
        (probability[0].argmax(-1) == c)[target[0] == c].double().mean().item() for c in range(3)
    ]
    torch.testing.assert_close(
        scores.balanced_accuracy(probability, target)[0].item(), float(np.mean(recall))
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_with_one_class_auc_is_undefined_and_the_rest_is_not(classes: int) -> None:
    probability, target = _problem("classification", seed=5, classes=classes)
    target = torch.ones_like(target)
    assert scores.roc_auc(probability, target).isnan().all()
    assert scores.balanced_accuracy(probability, target).isfinite().all()
    assert scores.log_loss(probability, target).isfinite().all()


def test_log_loss_is_clipped_at_both_ends() -> None:
    probability = torch.eye(2)[None]
    wrong, right = (scores.log_loss(probability, torch.tensor(y)) for y in ([1, 0], [0, 1]))
    torch.testing.assert_close(wrong.item(), -math.log(measures.EPS))
    torch.testing.assert_close(right.item(), -math.log1p(-measures.EPS))


def test_r2_of_a_constant_target_is_one_or_zero() -> None:
    target = torch.full((3, 6), 0.1)
    prediction = target + torch.tensor([0.0, 1.0, torch.nan])[:, None]
    torch.testing.assert_close(
        scores.r2(prediction, target),
        torch.tensor([1.0, 0.0, torch.nan], dtype=torch.float64),
        equal_nan=True,
    )
    assert scores.r2(prediction[:, :1], target[:, :1]).isnan().all()


def test_r2_of_the_mean_is_zero_and_of_the_truth_one() -> None:
    _, target = _problem("regression", seed=6)
    mean = target.mean(1, keepdim=True).expand_as(target)
    zero, one = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(scores.r2(mean, target), zero)
    torch.testing.assert_close(scores.r2(target, target), one)


MEAN_ROW_LOSS: dict[str, Callable[[Tensor], Tensor]] = {
    "accuracy": lambda value: 1 - value,
    "balanced_accuracy": lambda value: 1 - value,
    "f1": lambda value: 1 - value,
    "log_loss": lambda value: value,
    "rmse": lambda value: value**2,
    "mae": lambda value: value,
    "pinball_0.9": lambda value: value,
}


@pytest.mark.parametrize("name", MEAN_ROW_LOSS)
def test_the_mean_row_loss_is_the_metric(name: str) -> None:
    metric = scores.find(name)
    output, target = _problem(metric.task, seed=7)
    rows = torch.stack([scores.row_losses(name, o, y) for o, y in zip(output, target, strict=True)])
    assert rows.shape == target.shape
    torch.testing.assert_close(rows.mean(1), MEAN_ROW_LOSS[name](metric.function(output, target)))


@pytest.mark.parametrize("name", MEAN_ROW_LOSS)
def test_blends_are_chosen_by_the_log_loss_too_where_a_metric_only_decides(name: str) -> None:
    metric = scores.find(name)
    output, target = _problem(metric.task, seed=7)
    own = scores.mean_losses(metric, output, target[0])
    added = scores.mean_losses("log_loss", output, target[0]) if metric.decides else 0
    torch.testing.assert_close(
        scores.mean_losses(scores.blending(name), output, target[0]), own + added
    )


@pytest.mark.parametrize("twin", ROW_MEANS, ids=str)
def test_row_losses_order_members_as_the_metric_does(twin: Twin) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=8, members=8)
    target = target[0]
    good = scores.goodness(metric, metric.function(output, target))
    loss = torch.stack([scores.row_losses(metric, o, target).mean() for o in output])
    assert good.argsort(descending=True).tolist() == loss.argsort().tolist()


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_row_without_a_prediction_costs_nan(twin: Twin) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=9, members=1)
    output[0, 3] = torch.nan
    assert scores.row_losses(metric, output[0], target[0]).isnan().nonzero().tolist() == [[3]]


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_goodness_grows_towards_the_truth(twin: Twin) -> None:
    metric = scores.find(twin.name)
    output, target = _problem(metric.task, seed=10)
    truth = target
    if metric.task == "classification":
        truth = torch.nn.functional.one_hot(target, output.shape[-1]).float()
    value, best = (scores.goodness(twin.name, metric.function(o, target)) for o in (output, truth))
    assert (best > value).all()


def test_metrics_are_found_by_name_and_task() -> None:
    assert scores.find("log_loss").function is scores.log_loss
    assert scores.default_metric("classification") == "accuracy"
    assert scores.default_metric("regression") == "rmse"
    assert [metric.name for metric in scores.for_task("regression")] == ["rmse", "mae", "r2"]
    assert [metric.name for metric in scores.for_task("classification")] == [
        twin.name for twin in CLASSIFICATION
    ]


UNDEFINED_F1 = [
    ("nothing there, nothing named", 2, [0, 0], [0, 0], 0.0),
    ("one there, nothing named", 2, [0, 1], [0, 0], 0.0),
    ("nothing there, one named", 2, [0, 0], [0, 1], 0.0),
    ("all of class 1", 2, [1, 1], [1, 1], 1.0),
    ("classes neither there nor named are left out", 5, [1, 1, 3], [1, 3, 3], 2 / 3),
    ("a class named and not there counts", 3, [1, 1], [1, 2], 1 / 3),
]


@pytest.mark.parametrize(
    ("name", "classes", "target", "named", "value"), UNDEFINED_F1, ids=[u[0] for u in UNDEFINED_F1]
)
def test_f1_where_a_class_is_missing(
    name: str, classes: int, target: list[int], named: list[int], value: float
) -> None:
    y, probability = torch.tensor(target), torch.eye(classes)[named]
    torch.testing.assert_close(scores.f1(probability[None], y).item(), value)
    torch.testing.assert_close(scores.row_losses("f1", probability, y).mean().item(), 1 - value)


def test_f1_row_losses_give_the_standard_error_of_a_paired_difference() -> None:
    """Against the spread over 1,000 draws of the rows with replacement."""
    output, target = _problem("classification", seed=11, members=2, rows=600, classes=2)
    y = target[0]
    better, worse = (scores.row_losses("f1", o, y) for o in output)
    gains = worse - better
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(600, (1000, 600), generator=draw)
    drawn = [scores.f1(o[rows], y[rows]) for o in output]
    spread = (drawn[0] - drawn[1]).std().item()
    assert gains.std().item() / math.sqrt(600) == pytest.approx(spread, rel=0.08)


def test_the_quantile_loss_is_least_at_the_quantile_and_half_the_mae_at_the_median() -> None:
    target = torch.arange(101, dtype=torch.float64)
    guess = target[:, None].expand(-1, 101)
    for level in (0.1, 0.5, 0.9):
        loss = scores.find(f"pinball_{level}").function(guess, target)
        assert loss.argmin().item() == round(100 * level)
    torch.testing.assert_close(scores.pinball(guess, target, 0.5), scores.mae(guess, target) / 2)


NAMES = [
    ("pinball_0.90", "pinball_0.9"),
    ("pinball_.25", "pinball_0.25"),
    ("pinball_0.00005", "pinball_0.00005"),
    ("pinball_0.9999999", "pinball_0.9999999"),
    ("f1", "f1"),
]


@pytest.mark.parametrize(("name", "found"), NAMES)
def test_a_metric_has_one_name(name: str, found: str) -> None:
    assert scores.find(name).name == found
    assert scores.find(found).name == found


def _profit(target: np.ndarray, output: np.ndarray) -> float:
    output += 0.0  # it is a copy, which may be written to
    return float((output[:, 1] * target).sum())


def _cost(target: np.ndarray, output: np.ndarray) -> float:
    return float(np.abs(target - output).max())


_cost.greater_is_better = False  # pyright: ignore[reportFunctionMemberAccess]


def test_a_function_is_a_metric_that_workers_can_be_sent() -> None:
    metric = pickle.loads(pickle.dumps(scores.own(_profit, "classification")))
    output, target = _problem("classification", seed=12, classes=2)
    value = metric.function(output, target)
    torch.testing.assert_close(value, (output[..., 1].double() * target).sum(1))
    assert (metric.name, metric.pretty) == ("function:_profit", "_profit")
    torch.testing.assert_close(
        scores.row_losses(metric, output[0], target[0]),
        scores.row_losses("log_loss", output[0], target[0]),
    )
    output[1, 7] = torch.nan
    assert metric.function(output, target).isnan().tolist() == [False, True, False]


def test_a_function_may_say_that_smaller_is_better() -> None:
    metric = scores.own(_cost, "regression")
    output, target = _problem("regression", seed=13)
    worst = (target - output).abs().amax(1)
    torch.testing.assert_close(scores.goodness(metric, metric.function(output, target)), -worst)
    torch.testing.assert_close(
        scores.row_losses(metric, output[0], target[0]), (output[0] - target[0]).square()
    )


def _broken(target: np.ndarray, output: np.ndarray) -> float: return {}["column"]  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    call: Callable[[], object]
    error: type[Exception]
    words: str


REFUSALS = {
    "misspelt": Refusal(
        lambda: scores.find("acuracy"), BadInput, "mean 'accuracy' or 'balanced_accuracy'"
    ),
    "unlike any": Refusal(lambda: scores.find("zzz"), BadInput, "one of: accuracy, balanced"),
    "other task": Refusal(
        lambda: scores.find("rmse", "classification"), BadInput, "rmse' is for regression"
    ),
    "no task": Refusal(lambda: scores.for_task("ranking"), BadInput, "classification, regression"),
    "no rows": Refusal(
        lambda: scores.mae(torch.zeros(2, 0), torch.zeros(2, 0)), ValueError, "nothing to score"
    ),
    "too many classes": Refusal(
        lambda: scores.accuracy(torch.zeros(1, 2, 2), torch.tensor([0, 2])), ValueError, r"0\.\.1"
    ),
    "no quantile": Refusal(
        lambda: scores.find("pinball_1.5"), BadInput, "pinball_Q with 0 < Q < 1"
    ),
    "quantile 0": Refusal(lambda: scores.find("pinball_0.0"), BadInput, "0 < Q < 1"),
    "quantile of classes": Refusal(
        lambda: scores.find("pinball_0.5", "classification"), BadInput, "is for regression"
    ),
    "a function by its name": Refusal(
        lambda: scores.find("function:profit"), BadInput, "metric=FUNCTION"
    ),
    "a function that fails": Refusal(
        lambda: scores.own(_broken, "regression").function(torch.ones(1, 2), torch.ones(2)),
        BadInput,
        "_broken: the function failed with KeyError: 'column'",
    ),
    "shape": Refusal(
        lambda: scores.rmse(torch.zeros(2, 3), torch.zeros(2)), ValueError, r"n=3, got \(2,\)"
    ),
    "members missing": Refusal(
        lambda: scores.accuracy(torch.zeros(3, 2), torch.zeros(3)), ValueError, r"\[M, n, C\]"
    ),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_scored_is_refused(case: Refusal) -> None:
    with pytest.raises(case.error, match=case.words):
        case.call()


def _cost_of(price: float):
    def cost(target, output):
        return price * float((output.argmax(1) != target).mean())

    return cost


def _f_beta(target, output, beta=1.0):
    return beta


@dataclass
class Table:
    cells: Any
    way: Any = None

    def cost(self, target, output):
        return 0.0


def _pairs_that_differ() -> list[tuple[Any, Any]]:
    """Beyond what a repr shows, and what numpy refuses."""
    cells = [np.zeros(5000) for _ in range(2)]
    cells[1][2500] = 1
    torch.manual_seed(0)
    return [
        tuple(Table(each).cost for each in cells),
        tuple(pd.DataFrame({"a": each}) for each in cells),
        (torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)),
        (torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.ones(2))),
        (torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)),
        (torch.eye(2).to_sparse(), 2 * torch.eye(2).to_sparse()),
    ]  # pyright: ignore


class Priced:
    def __init__(self, price: float) -> None:
        self.price, self.me = price, self

    def cost(self, target, output):
        return self.price


class Slotted:
    __slots__ = ("price",)

    def __init__(self, price: float) -> None:
        self.price = price

    def __call__(self, target, output):
        return self.price


def test_the_digest_of_a_function_is_the_same_in_every_process() -> None:
    """An object's own repr has its address."""
    program = (
        "from test_scores import Priced, _cost_of\nfrom shrinkage import scores\n"
        "from test_scores import Table\n"
        "print(scores.code_of(Priced(1.0).cost), scores.code_of(_cost_of(Priced(2.0))),"
        "scores.code_of(Table(1, _cost_of).cost))"
    )
    tests = Path(__file__).parent
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=tests, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_a_function_is_told_from_another_of_its_name() -> None:
    codes = [scores.code_of(scores.own(_cost_of(price), "classification")) for price in (1, 1, 2)]
    assert codes[0] == codes[1] != codes[2]
    lambdas = [lambda t, o: 0.0, lambda t, o: 1.0]
    assert scores.code_of(lambdas[0]) != scores.code_of(lambdas[1])
    assert scores.code_of(scores.own(lambdas[0], "regression")) == scores.code_of(lambdas[0])
    assert scores.code_of(partial(_f_beta, beta=2.0)) != scores.code_of(partial(_f_beta, beta=0.5))
    assert scores.code_of(Priced(1.0).cost) == scores.code_of(Priced(1.0).cost)
    assert scores.code_of(Priced(1.0).cost) != scores.code_of(Priced(2.0).cost)
    assert scores.code_of(Slotted(1.0)) != scores.code_of(Slotted(2.0))
    tables = [np.zeros(5000), np.zeros(5000)]
    tables[1][2500] = 1  # beyond what its repr shows
    assert scores.code_of(partial(_f_beta, beta=tables[0])) != scores.code_of(
        partial(_f_beta, beta=tables[1])
    )
    for one, other in _pairs_that_differ():
        assert scores.code_of(partial(_f_beta, beta=one)) != scores.code_of(
            partial(_f_beta, beta=other)
        )
    assert scores.code_of("accuracy") is scores.code_of(scores.find("rmse")) is None


def test_the_size_of_a_wrong_decision() -> None:
    target = torch.tensor([0, 0, 0, 1])
    output = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    assert scores.step_of("accuracy", output, target) == 1
    weights = torch.tensor([4 / 6, 4 / 6, 4 / 6, 2.0]).double()
    assert scores.step_of("balanced_accuracy", output, target) == pytest.approx(
        float(weights.square().mean().sqrt())
    )
    for name in ("log_loss", "roc_auc"):
        assert scores.step_of(name, output, target) == 0
    assert scores.step_of("rmse", output[:, 1], target.double()) == 0
    # Class 1 is there once and called twice: d = 3 / 4 in the mean, and one row of four is its own.
    assert scores.step_of("f1", output, target) == pytest.approx(math.sqrt((2 / 0.75) ** 2 / 4))


@pytest.mark.parametrize("classes", [2, 4])
def test_a_step_of_f1_is_what_a_hit_adds_to_it(classes: int) -> None:
    """By a difference of F1 over the hits t, d being held: 2 / (K n mean d) a row of n."""
    random = np.random.default_rng(classes)
    n, counted = 90, range(classes)[1:] if classes == 2 else range(classes)
    target, called = random.integers(0, classes, n), random.integers(0, classes, n)
    output = torch.nn.functional.one_hot(torch.from_numpy(called), classes).double()
    expected = np.zeros(n)
    for c in counted:
        d = np.mean((called == c).astype(float) + (target == c))
        expected[target == c] = 2 / d / len(counted)
    found = scores.step_of("f1", output, torch.from_numpy(target))
    assert found == pytest.approx(np.sqrt(np.mean(expected**2)))
    absent = torch.nn.functional.pad(output, (0, 1))  # one more class, neither there nor called
    more = scores.step_of("f1", absent, torch.from_numpy(target))
    if classes > 2:
        assert more == pytest.approx(found)
