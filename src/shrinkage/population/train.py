"""Train a cohort up to a step: serve batches, validate each epoch, let members leave.

Members leave in three ways, all by compaction: they diverge, their patience is used up, or a
search drops them at a rung. What a member was when it left is its outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from shrinkage.population.cohort import Cohort
from shrinkage.population.dataset import Sample
from shrinkage.population.memory import keep_freed_memory
from shrinkage.population.predict import predict
from shrinkage.population.remeasure import remeasured
from shrinkage.population.serve import served
from shrinkage.population.state import State, start
from shrinkage.population.step import step
from shrinkage.stopping.divergence import divergence
from shrinkage.stopping.early_stopping import exhausted, improved, smoothed

Score = Callable[[Tensor, Tensor], Tensor]
"""Predictions [M, n, ...] and target [M, n] to a score a member [M], larger is better."""

_SERVED_AT_ONCE = 64


@dataclass(frozen=True)
class Outcome:
    """What a member was when it left training: networks that predict together, mostly just one.

    weights: [n, P]; statistics: [n, Q]; n is above 1 where snapshots were kept.
    curves: [E, 2], as in `State`.
    step: of the last of them; where early stopping keeps the best, before the last step.
    reason: None unless it diverged.
    """

    weights: Tensor
    statistics: Tensor
    curves: Tensor
    step: int
    reason: str | None = None


@dataclass(frozen=True)
class Training:
    """A cohort, the state of the members still in training, and what became of the others.

    alive: positions in `cohort.members`, in the order of the state's rows.
    """

    cohort: Cohort
    state: State
    alive: tuple[int, ...]
    left: dict[int, Outcome]

    @classmethod
    def begin(cls, cohort: Cohort) -> Training:
        return cls(cohort, start(cohort), tuple(range(len(cohort.members))), {})

    @property
    def living(self) -> Cohort:
        """The members still in training, in the order of the state's rows."""
        return self.cohort.select(list(self.alive))

    @property
    def done(self) -> bool:
        return not self.alive or self.state.step >= self.cohort.total_steps

    def short_of(self, step: int) -> bool:
        """Whether some are still in training and have not come to this step: time was up."""
        return bool(self.alive) and self.state.step < min(step, self.cohort.total_steps)

    def drop(self, positions: set[int], outcomes: dict[int, Outcome] | None = None) -> Training:
        """Without these members; their outcomes are kept where given."""
        keep = [row for row, position in enumerate(self.alive) if position not in positions]
        return Training(
            self.cohort,
            self.state.select(keep),
            tuple(self.alive[row] for row in keep),
            {**self.left, **(outcomes or {})},
        )

    def outcome(self, position: int) -> Outcome:
        """The member as validation and prediction see it: left, kept, best so far, or now."""
        if position in self.left:
            return self.left[position]
        row = self.alive.index(position)
        cohort, state = self.cohort.select([position]), self.state.select([row])
        done = [step for step in cohort.snapshots[0] if step <= state.step]
        if done and state.kept_weights is not None and state.kept_statistics is not None:
            weights = state.kept_weights[0, : len(done)]
            statistics = state.kept_statistics[0, : len(done)]
            return Outcome(weights, statistics, state.curves[0], done[-1])
        weights, statistics, (step,) = presented(cohort, state)
        return Outcome(weights, statistics, state.curves[0], step)


def shown(cohort: Cohort, state: State) -> tuple[Tensor, Tensor]:
    """Weights [M, P] that count now, as trained or as ingredients show them, and statistics."""
    weights, statistics = state.weights, state.statistics
    anew = torch.zeros(len(weights), dtype=torch.bool, device=weights.device)
    for place in ("update", "average"):
        for entry, numbers in cohort.active(place):
            slots = state.slots.get(entry.name, {})
            if entry.shows is not None:
                weights = entry.shows(weights, slots, **numbers)
            if entry.remeasures is not None:
                anew = anew | entry.remeasures(slots, **numbers)
    if (rows := anew.nonzero()[:, 0].tolist()) and cohort.network.statistics.entries:
        statistics = statistics.clone()
        statistics[rows] = remeasured(cohort.select(rows), weights[rows], statistics[rows])
    return weights, statistics


def presented(cohort: Cohort, state: State) -> tuple[Tensor, Tensor, list[int]]:
    """Weights [M, P] and statistics [M, Q] that count, and the step each is from.

    The best where a member stops early and has been validated, else those shown now.
    """
    weights, statistics = shown(cohort, state)
    if state.best_weights is None or state.best_statistics is None:
        return weights, statistics, [state.step] * len(weights)
    kept = torch.isfinite(cohort.patience) & torch.isfinite(state.best_score)
    ends = [_end_of(cohort, epoch) for epoch in state.best_epoch.tolist()]
    steps = [end if k else state.step for end, k in zip(ends, kept.tolist(), strict=True)]
    on_device = kept.to(weights.device)[:, None]
    return (
        torch.where(on_device, state.best_weights, weights),
        torch.where(on_device, state.best_statistics, statistics),
        steps,
    )


def _whole_epochs(cohort: Cohort, step: int) -> int:
    """How many times all rows were seen by then."""
    return step * cohort.batch_size // cohort.dataset.rows


def _end_of(cohort: Cohort, epoch: int) -> int:
    """The first step at which all rows were seen `epoch` times."""
    return -(-epoch * cohort.dataset.rows // cohort.batch_size)


def advance(
    training: Training, until: int, score: Score, halt: Callable[[], bool] = lambda: False
) -> Training:
    """Train the living members up to step `until`; `halt` is asked once a step.

    A halted training stands at the step it reached and can be advanced again.
    """
    if training.done:
        return training
    keep_freed_memory()
    until = min(until, training.cohort.total_steps)
    cohort = _living(training)
    while training.alive and training.state.step < until:
        if len(cohort.members) != len(training.alive):
            cohort = _living(training)
        state = training.state
        epoch = _whole_epochs(cohort, state.step) + 1
        boundary = _end_of(cohort, epoch)
        state, halted = _steps(cohort, state, min(boundary, until), halt)
        if not halted and state.step == boundary:
            state = _epoch_ended(cohort, state, epoch, score)
        # Patience counts whole epochs: one that is cut short has no score yet.
        finished = _whole_epochs(cohort, state.step)
        training = _leave(replace(training, state=state), cohort, finished)
        if halted:
            break
    return training


def _living(training: Training) -> Cohort:
    """The members still in training; where they are not all, the graph of all is freed."""
    living, whole = training.living, training.cohort
    if living is not whole and whole.captured is not None:
        whole.captured.let_go()
    return living


def _steps(
    cohort: Cohort, state: State, until: int, halt: Callable[[], bool]
) -> tuple[State, bool]:
    while state.step < until:
        count = min(until - state.step, _SERVED_AT_ONCE)
        if cohort.compiled is not None:
            if halt():
                return state, True
            positions = served(cohort, state.step, min(count, cohort.compiled.at_once))
            state = cohort.compiled.advance(state, positions)
            continue
        for positions in served(cohort, state.step, count):
            if halt():
                return state, True
            if cohort.captured is not None:
                state = cohort.captured.step(cohort, state, positions)
            else:
                state, _ = step(cohort, state, cohort.dataset.batch(cohort.folds, positions))
            _keep(cohort, state)
    return state, False


def _keep(cohort: Cohort, state: State) -> None:
    """Copy what members show into their room for snapshots, where a cycle has just ended."""
    rows = [row for row, steps in enumerate(cohort.snapshots) if state.step in steps]
    if not rows or state.kept_weights is None or state.kept_statistics is None:
        return
    weights, statistics = shown(cohort, state)
    places = [cohort.snapshots[row].index(state.step) for row in rows]
    state.kept_weights[rows, places] = weights[rows]
    state.kept_statistics[rows, places] = statistics[rows]


def _epoch_ended(cohort: Cohort, state: State, epoch: int, score: Score) -> State:
    """The state after what acts once an epoch: plateaus, and early stopping."""
    scores = torch.full((len(cohort.members),), -torch.inf, dtype=torch.float64)
    if cohort.validates:
        weights, statistics = shown(cohort, state)
        scores = validation_scores(cohort, weights, statistics, score)
        state = _best(cohort, state, weights, statistics, scores, epoch)
    slots = dict(state.slots)
    for entry, numbers in cohort.active("update", "plateau"):
        slots[entry.name] = entry.apply(slots[entry.name], scores, **numbers)
    return replace(_noted(cohort, state, scores, epoch), slots=slots)


def _noted(cohort: Cohort, state: State, scores: Tensor, epoch: int) -> State:
    """The state with this epoch in its curves; the next one begins."""
    steps = _end_of(cohort, epoch) - _end_of(cohort, epoch - 1)
    curves = state.curves.clone()
    curves[:, epoch - 1, 0] = (state.loss_total / steps).to(curves)
    curves[:, epoch - 1, 1] = torch.where(torch.isfinite(scores), scores, torch.nan).to(curves)
    return replace(state, curves=curves, loss_total=torch.zeros_like(state.loss_total))


def _best(
    cohort: Cohort,
    state: State,
    weights: Tensor,
    statistics: Tensor,
    scores: Tensor,
    epoch: int,
) -> State:
    """The state with best scores, epochs and weights brought up to date."""
    if state.best_weights is None or state.best_statistics is None:
        return state
    scores, total, weight = smoothed(
        scores, state.score_total, state.score_weight, cohort.smoothing
    )
    better = improved(scores, state.best_score)
    on_device = better.to(weights.device)[:, None]
    return replace(
        state,
        score_total=total,
        score_weight=weight,
        best_score=torch.where(better, scores, state.best_score),
        best_epoch=torch.where(better, epoch, state.best_epoch),
        best_weights=torch.where(on_device, weights, state.best_weights),
        best_statistics=torch.where(on_device, statistics, state.best_statistics),
    )


def _leave(training: Training, cohort: Cohort, epoch: int) -> Training:
    """Take out members that diverged or whose patience is used up."""
    state, outcomes = training.state, {}
    worst, first = state.worst_loss.tolist(), state.first_loss.tolist()
    stopped = exhausted(epoch, state.best_epoch, cohort.patience).tolist()
    for row, position in enumerate(training.alive):
        reason = divergence(worst[row], first[row], state.step)
        if reason or stopped[row]:
            outcomes[position] = replace(training.outcome(position), reason=reason)
    return training.drop(set(outcomes), outcomes) if outcomes else training


def validation_scores(cohort: Cohort, weights: Tensor, statistics: Tensor, score: Score) -> Tensor:
    """Each member's score on the validation rows of its fold, float64 [M]; larger is better.

    weights: [M n, P], statistics: [M n, Q]; n networks a member, as `predict` takes them.
    """
    samples = [cohort.dataset.folds[member.fold].validation for member in cohort.members]
    predictions = predict(cohort, weights, statistics, samples)
    scores = torch.full((len(predictions),), -torch.inf, dtype=torch.float64)
    alike: dict[int, list[int]] = {}  # folds have one size or two; a call costs more than its rows
    for i, sample in enumerate(samples):
        alike.setdefault(sample.rows, []).append(i)
    for members in alike.values():
        target = torch.stack([_target(samples[i]) for i in members])
        found = score(torch.stack([predictions[i] for i in members]), target).double().cpu()
        scores[members] = torch.where(torch.isfinite(found), found, -torch.inf)
    return scores


def _target(sample: Sample) -> Tensor:
    assert sample.target is not None
    return sample.target
