"""Training from outside: interruptions, checkpoints, members that leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from population.samples import cohort_of, fit_quality, table, trained
from shrinkage.augment.input_noise import InputNoise
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.swa import Swa
from shrinkage.errors import BadInput
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm
from shrinkage.optim.decay import Decay
from shrinkage.optim.sgd import Sgd
from shrinkage.population import checkpoint
from shrinkage.population.cohort import Cohort, Member, by_signature
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.state import start
from shrinkage.population.train import Training, advance, presented, validation_scores
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine import Cosine
from shrinkage.schedules.plateau import Plateau
from shrinkage.stopping.early_stopping import EarlyStopping

# 50 rows in batches of 16: 3.125 steps an epoch, so epochs end at 4, 7, 10, 13, 16, ...
SLICES, FIXED = Minibatch(batch_size=16, epochs=16), (Mlp(width=10, depth=2), BatchNorm())
TOTAL = 50


def _mixed() -> list[Member]:
    """Members that stop at different epochs, diverge, average, or go on to the end."""
    options = [
        (Adam(lr=0.03), EarlyStopping(patience=1), Dropout(rate=0.2)),
        (Adam(lr=0.03), EarlyStopping(patience=2, smoothing=0.6), Ema(decay=0.8)),
        (Adam(lr=0.01), Mixup(alpha=0.4), Cosine(), Plateau(factor=0.5, patience=1.0)),
        (Adam(lr=1e30),),
        (Adam(lr=0.003), EarlyStopping(patience=100), InputNoise(std=0.1), Ema(decay=0.9)),
        (Adam(lr=0.1), EarlyStopping(patience=3)),
        (Adam(lr=0.02), Swa(start=0.25), EarlyStopping(patience=200)),
        (Adam(lr=0.02), Lookahead(k=3, alpha=0.5), Swa(start=0.5)),
    ]
    return [
        Member(Recipe(SLICES, *FIXED, *own).for_task("classification"), seed=i % 2, fold=i % 2)
        for i, own in enumerate(options)
    ]


def _cohort() -> Cohort:
    return cohort_of(_mixed(), table(rows=50))


def _tensors(training: Training) -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(training.state).items():
        parts = value if isinstance(value, dict) else {"": value}
        yield from ((f"{name}.{n}", t) for n, t in parts.items() if isinstance(t, Tensor))
    for position, outcome in sorted(training.left.items()):
        yield f"{position}.weights", outcome.weights
        yield f"{position}.statistics", outcome.statistics
        yield f"{position}.curves", outcome.curves


def _assert_equal(ours: Training, theirs: Training) -> None:
    """Bit for bit; a number that is not a number equals itself."""
    assert ours.alive == theirs.alive
    assert ours.state.step == theirs.state.step
    steps = [{p: (o.step, o.reason) for p, o in t.left.items()} for t in (ours, theirs)]
    assert steps[0] == steps[1]
    left, right = dict(_tensors(ours)), dict(_tensors(theirs))
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        assert torch.equal(left[name].nan_to_num(7.5), right[name].nan_to_num(7.5)), name


@pytest.fixture(scope="module")
def whole() -> Training:
    return trained(_cohort(), TOTAL)


def test_the_mixed_cohort_is_mixed(whole: Training) -> None:
    """Guards the tests below: someone diverged, several stopped early, someone is alive."""
    reasons = [outcome.reason is not None for outcome in whole.left.values()]
    assert reasons.count(True) == 1
    assert reasons.count(False) >= 2
    assert {2, 4} <= set(whole.alive)


def _every(count: int) -> Callable[[], bool]:
    """Asks for a halt at every count-th question."""
    asked = 0

    def halt() -> bool:
        nonlocal asked
        asked += 1
        return asked % count == 0

    return halt


@pytest.mark.parametrize("count", [2, 3, 5, 17])
def test_halting_and_going_on_equals_never_halting(count: int, whole: Training) -> None:
    halted, halt = Training.begin(_cohort()), _every(count)
    calls = 0
    while not halted.done:
        before = halted.state.step
        halted = advance(halted, TOTAL, fit_quality, halt)
        assert halted.state.step > before
        calls += 1
    assert calls > 1
    # The step at which a divergence is noticed may come sooner; nothing else may differ.
    assert halted.alive == whole.alive
    for position, outcome in whole.left.items():
        assert (halted.left[position].reason is None) == (outcome.reason is None)
    stopped = [p for p, outcome in whole.left.items() if outcome.reason is None]
    for position in [*whole.alive, *stopped]:
        ours, theirs = halted.outcome(position), whole.outcome(position)
        assert ours.step == theirs.step
        torch.testing.assert_close(ours.weights, theirs.weights, rtol=0, atol=1e-12)
        torch.testing.assert_close(ours.statistics, theirs.statistics, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rungs", [(4, 16, TOTAL), (5, 11, 12, TOTAL), (1, 2, 3, TOTAL)], ids=str)
def test_rungs_at_any_step_change_nothing(rungs: tuple[int, ...], whole: Training) -> None:
    training = Training.begin(_cohort())
    for rung in rungs:
        training = advance(training, rung, fit_quality)
        assert training.state.step == rung
    assert training.alive == whole.alive
    for position in whole.alive:
        ours, theirs = training.outcome(position), whole.outcome(position)
        torch.testing.assert_close(ours.weights, theirs.weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [0, 3, 7, 20, 33, TOTAL])
def test_a_checkpoint_continues_bit_for_bit(steps: int, tmp_path: Path, whole: Training) -> None:
    path = tmp_path / "cohort.safetensors"
    before = trained(_cohort(), steps)
    checkpoint.save(before, path)
    loaded = checkpoint.load(_cohort(), path)
    _assert_equal(loaded, before)
    ended, straight = (advance(t, TOTAL, fit_quality) for t in (loaded, before))
    _assert_equal(ended, straight)
    assert ended.alive == whole.alive
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["training"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(about)
    save_file(tensors, path, {"training": json.dumps(about)})


def _overwrite(path: Path, where: int, what: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[where : where + len(what)] = what
    path.write_bytes(content)


@dataclass(frozen=True)
class Harm:
    """What happened to a checkpoint, and words that the message must have."""

    name: str
    apply: Callable[[Path], object]
    words: str

    def __str__(self) -> str:
        return self.name


HARMS = [
    Harm("cut short", lambda p: p.write_bytes(p.read_bytes()[:-100]), "not a readable"),
    Harm("cut to its head", lambda p: p.write_bytes(p.read_bytes()[:5]), "not a readable"),
    Harm("empty", lambda p: p.write_bytes(b""), "not a readable"),
    Harm("another file", lambda p: p.write_text("a,b\n1,2\n"), "not a readable"),
    Harm("head damaged", lambda p: _overwrite(p, 3, b"\xff\xff"), "not a readable"),
    Harm("missing", lambda p: p.unlink(), "not a readable"),
    Harm("a folder", lambda p: (p.unlink(), p.mkdir()), "not a readable"),
    Harm("foreign safetensors", lambda p: save_file({"a": torch.ones(1)}, p), "not a readable"),
    Harm(
        "metadata is not ours",
        lambda p: save_file({"a": torch.ones(1)}, p, {"training": "{}"}),
        "not a readable",
    ),
    Harm(
        "tensors are missing",
        lambda p: _rewrite(p, lambda about: about["left"].update({"5": [3, None]})),
        "not a readable",
    ),
    Harm("newer", lambda p: _rewrite(p, lambda about: about.update(format=99)), "newer version"),
    Harm("other cohort", lambda p: _rewrite(p, lambda about: about.update(key="[]")), "another"),
]


@pytest.mark.parametrize("harm", HARMS, ids=str)
def test_a_checkpoint_that_cannot_be_used_is_named(harm: Harm, tmp_path: Path) -> None:
    path = tmp_path / "cohort.safetensors"
    cohort = cohort_of(_mixed()[:3], table(rows=50))
    checkpoint.save(trained(cohort, 2), path)
    harm.apply(path)
    with pytest.raises(BadInput, match=harm.words) as caught:
        checkpoint.load(cohort, path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch) -> None:
    path, cohort = tmp_path / "cohort.safetensors", _cohort()
    checkpoint.save(trained(cohort, 3), path)
    old = path.read_bytes()

    def full(tensors, temporary, metadata) -> None:
        Path(temporary).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(BadInput, match="disk is full"):
        checkpoint.save(trained(cohort, 5), path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@dataclass(frozen=True)
class Fate:
    """A member that diverges, and words of its reason."""

    name: str
    ingredients: tuple[Any, ...]
    words: str
    fold: int = 0

    def __str__(self) -> str:
        return self.name


SGD = [Sgd(lr=0.1, momentum=0.5), Sgd(lr=0.03, momentum=0.9)]
FATES = [
    Fate("overflow", (Sgd(lr=1e30),), "not a number|infinite|exploded"),
    Fate("explosion", (Sgd(lr=30.0, momentum=0.9),), "exploded|not a number|infinite"),
    Fate("decay beyond zero", (Sgd(lr=1.0), Decay(weight_decay=1e3)), "exploded|not a|infinite"),
    Fate("noise without bound", (Sgd(lr=0.1), InputNoise(std=1e38)), "not a number|infinite|expl"),
    Fate("infinite inputs", (Sgd(lr=0.1),), "not a number", fold=1),
]


def _wild() -> Dataset:
    """Fold 1 has an infinite number in every training row."""
    clean = table("regression", rows=50)
    fold = clean.folds[1]
    numbers = fold.train.inputs["numbers"].clone()
    numbers[:, 2] = inf
    train = Sample({**fold.train.inputs, "numbers": numbers}, fold.train.target)
    return replace(clean, folds=(clean.folds[0], Fold(train, fold.validation)))


@pytest.mark.parametrize("fate", FATES, ids=str)
def test_a_member_that_diverges_leaves_with_a_reason_and_disturbs_nobody(fate: Fate) -> None:
    base = Recipe(SLICES, Mlp(width=10, depth=2), ClipNorm(max_norm=1e9), Dropout(rate=0.3))
    fixed = base.for_task("regression")
    good = [Member(fixed.using(sgd, EarlyStopping(patience=1e6))) for sgd in SGD]
    bad = Member(fixed.using(*fate.ingredients, ClipNorm(max_norm=inf)), fold=fate.fold)
    beside = trained(cohort_of([good[0], bad, good[1]], _wild()), TOTAL)
    alone = trained(cohort_of(good, _wild()), TOTAL)
    assert beside.alive == (0, 2)
    reason = beside.left[1].reason
    assert reason is not None
    assert any(word in reason for word in fate.words.split("|"))
    assert f"step {beside.left[1].step}" in reason
    assert beside.left[1].step <= 4  # the end of its first epoch
    for ours, theirs in ((0, 0), (2, 1)):
        torch.testing.assert_close(
            beside.outcome(ours).weights, alone.outcome(theirs).weights, rtol=0, atol=1e-12
        )


def test_a_cohort_whose_members_all_diverge_is_done() -> None:
    recipe = Recipe(SLICES, *FIXED, Adam(lr=1e30)).for_task("classification")
    training = trained(cohort_of([Member(recipe), Member(recipe, seed=1)], table()), TOTAL)
    assert training.done
    assert training.alive == ()
    assert all(outcome.reason for outcome in training.left.values())
    assert advance(training, TOTAL, fit_quality) is training, "there is nothing left to do"


@dataclass(frozen=True)
class Scores:
    """Validation scores of the epochs in turn; when the member stops, and which epoch it keeps."""

    scores: tuple[float, ...]
    patience: float
    stops: int
    keeps: int
    smoothing: float = 0.0

    def __str__(self) -> str:
        return f"{self.scores}, patience {self.patience:g}, smoothing {self.smoothing:g}"


SCRIPTS = [
    Scores((1, 2, 3, 4, 5, 6), 1, stops=6, keeps=6),
    Scores((3, 2, 9, 9, 9, 9), 1, stops=2, keeps=1),
    Scores((1, 3, 2, 2, 9, 9), 2, stops=4, keeps=2),
    Scores((1, 3, 2, 4, 2, 2), 2, stops=6, keeps=4),
    Scores((3, 3, 3, 1, 1, 9), 2, stops=5, keeps=3),  # of equals the last is kept
    Scores((5, 4, 3, 2, 1, 0), 100, stops=6, keeps=1),
    Scores((5, 4, 3, 2, 1, 6), 100, stops=6, keeps=6),
    Scores((5, 4, 3, 2, 1, 0), inf, stops=6, keeps=6),  # off: the last weights
    Scores((nan, 2, nan, 1, 1, 1), 3, stops=5, keeps=2),  # not a number is never the best
    Scores((nan, nan, nan, nan, nan, nan), 50, stops=6, keeps=6),
    # Smoothed: 0, 5.33, 2.29, 4.27, 5.16, 5.59; so one lucky epoch is not the best.
    Scores((0, 8, 0, 6, 6, 6), 100, stops=6, keeps=6, smoothing=0.5),
    Scores((0, 8, 0, 6, 6, 6), 100, stops=6, keeps=2),
    Scores((0, 8, 0, 6, 6, 6), 2, stops=4, keeps=2, smoothing=0.5),
    Scores((nan, 2, nan, 1, 1, 1), 3, stops=5, keeps=2, smoothing=0.5),
]
EPOCHS = Minibatch(batch_size=16, epochs=6)
ENDS = [4, 7, 10, 13, 16, 19]  # the steps at which epochs of 50 rows end


@pytest.mark.parametrize("ema", [(), (Ema(decay=0.7),)], ids=["last", "average"])
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_patience_stops_at_its_epoch_and_the_best_epoch_is_restored(
    script: Scores, ema: tuple[Ema, ...]
) -> None:
    recipe = Recipe(EPOCHS, *FIXED, Adam(lr=0.01), *ema).for_task("classification")
    seen = iter(script.scores)
    stopping = recipe.using(EarlyStopping(script.patience, script.smoothing))
    cohort = cohort_of([Member(stopping)], table(rows=50, folds=1))
    training = advance(Training.begin(cohort), 19, lambda p, y: torch.tensor([next(seen)]))
    outcome = training.outcome(0)
    assert training.state.step == ENDS[script.stops - 1]
    assert outcome.step == ENDS[script.keeps - 1]
    assert outcome.reason is None

    plain = cohort_of([Member(recipe)], table(rows=50, folds=1))
    kept = trained(plain, ENDS[script.keeps - 1]).outcome(0)
    torch.testing.assert_close(outcome.weights, kept.weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(outcome.statistics, kept.statistics, rtol=0, atol=1e-12)


def test_a_member_without_early_stopping_keeps_its_last_weights_beside_one_with_it() -> None:
    recipe = Recipe(EPOCHS, *FIXED, Adam(lr=0.01)).for_task("classification")
    members = [Member(recipe.using(EarlyStopping(patience=100))), Member(recipe)]
    falling = iter(range(6, 0, -1))
    cohort = cohort_of(members, table(rows=50, folds=1))
    training = advance(
        Training.begin(cohort), 19, lambda p, y: torch.full((2,), float(next(falling)))
    )
    last = training.state.weights
    assert torch.equal(training.outcome(1).weights[0], last[1])
    assert not torch.equal(training.outcome(0).weights[0], last[0])


def test_early_stopping_keeps_the_best_of_all_epochs_by_real_scores() -> None:
    """Against a loop that a person would write: score every epoch, remember the best."""
    recipe = Recipe(SLICES, *FIXED, Adam(lr=0.1)).for_task("classification")
    plain = cohort_of([Member(recipe, seed=s, fold=s % 2) for s in range(4)], table(rows=50))
    ends = [-(-50 * (epoch + 1) // 16) for epoch in range(16)]
    scores, weights, training = [], [], Training.begin(plain)
    for end in ends:
        training = advance(training, end, fit_quality)
        shown, statistics, _ = presented(plain, training.state)
        scores.append(validation_scores(plain, shown, statistics, fit_quality))
        weights.append(shown.clone())
    best = len(ends) - 1 - torch.stack(scores).flip(0).argmax(0)  # the last of equals
    assert best.max() < 15  # the score falls later
    stopping = EarlyStopping(patience=1000)
    stopped = [Member(m.recipe.using(stopping), m.seed, m.fold) for m in plain.members]
    ended = trained(cohort_of(stopped, table(rows=50)), TOTAL)
    assert (ended.state.best_epoch == best + 1).all()
    for i in range(4):
        torch.testing.assert_close(
            ended.outcome(i).weights[0], weights[best[i]][i], rtol=0, atol=1e-12
        )


def test_a_cohort_refuses_other_signatures_and_folds() -> None:
    narrow, wide = Recipe(Mlp(width=4)), Recipe(Mlp(width=8))
    with pytest.raises(ValueError, match="one signature, got 2"):
        cohort_of([Member(narrow), Member(wide)], table())
    with pytest.raises(ValueError, match="fold 2 does not exist: the data set has 2"):
        cohort_of([Member(narrow, fold=2)], table())
    assert by_signature([Member(narrow), Member(wide), Member(narrow, seed=3)]) == [[0, 2], [1]]


def test_folds_are_members_and_each_sees_its_own_rows_only() -> None:
    """A member of fold 1 trains as it would if fold 1 were the only fold."""
    dataset = table(rows=50)
    recipe = Recipe(SLICES, *FIXED, Adam(lr=0.01)).for_task("classification")
    both = trained(cohort_of([Member(recipe, fold=f) for f in (0, 1)], dataset), 20)
    for fold in (0, 1):
        single = replace(dataset, folds=(dataset.folds[fold],))
        alone = trained(cohort_of([Member(recipe)], single), 20)
        torch.testing.assert_close(
            both.outcome(fold).weights, alone.outcome(0).weights, rtol=0, atol=1e-10
        )


def test_a_step_scales_the_target_to_the_training_rows() -> None:
    dataset = table("regression", rows=50, folds=1)
    target = dataset.batch(torch.tensor([0]), torch.arange(50)[None]).target
    assert float(target.mean()) == pytest.approx(0, abs=1e-12)
    assert float(target.std(correction=0)) == pytest.approx(1)


def test_start_gives_each_member_its_own_seed() -> None:
    weights = start(_cohort()).weights
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])
