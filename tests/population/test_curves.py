"""The curves of a training: means of what its steps lost, and the score of each epoch."""

from __future__ import annotations

from math import inf

import pytest
import torch

from population.samples import cohort_of, fit_quality, table, trained
from shrinkage import kernels
from shrinkage.averaging.ema import Ema
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.serve import served
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.population.train import Training, advance, shown, validation_scores
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.stopping.early_stopping import EarlyStopping

# 50 rows in batches of 16: epochs end at steps 4, 7, 10, 13, 16, 19.
EPOCHS = 6
ENDS = (4, 7, 10, 13, 16, 19)
PARTS = (Minibatch(batch_size=16, epochs=EPOCHS), Mlp(width=8, depth=1), BatchNorm())


def cohort(*patience: float, dtype: torch.dtype = torch.float64) -> Cohort:
    """Members that differ in rate, seed and fold, with early stopping where it has patience."""
    members = []
    for i, each in enumerate(patience):
        stop = () if each == inf else (EarlyStopping(patience=each),)
        own = Recipe(*PARTS).using(
            Adam(lr=0.02 * (i + 1), eps=1e-2), Dropout(rate=0.2), Ema(decay=0.8), *stop
        )
        members.append(Member(own.for_task("classification"), seed=i % 2, fold=i % 2))
    return cohort_of(members, table(rows=50, dtype=dtype))


def test_an_epoch_is_the_mean_of_its_steps_and_the_score_at_its_end() -> None:
    its = cohort(1e9, 1e9, 1e9)
    state, losses, losts, scores = start(its), [], [], []
    for positions in served(its, 0, its.total_steps):
        state, loss = step(its, state, its.dataset.batch(its.folds, positions))
        losses.append(loss)
        if state.step in ENDS:
            losts.append(torch.stack(losses).mean(0))
            scores.append(validation_scores(its, *shown(its, state), fit_quality))
            losses = []
    curves = trained(cohort(1e9, 1e9, 1e9), its.total_steps).state.curves
    assert curves.shape == (3, EPOCHS, 2)
    torch.testing.assert_close(curves[..., 0], torch.stack(losts, 1).float())
    torch.testing.assert_close(curves[..., 1], torch.stack(scores, 1).float())


def test_what_is_not_watched_is_not_scored() -> None:
    curves = trained(cohort(inf, inf), 10).state.curves
    assert torch.isfinite(curves[:, :3, 0]).all()
    assert curves[:, 3:].isnan().all()
    assert curves[..., 1].isnan().all()


def test_a_curve_ends_where_its_member_stopped_and_is_its_own() -> None:
    """Beside others or alone, after compaction too."""
    patience = (1.0, 1e9, 1.0, 1e9)
    together = trained(cohort(*patience), ENDS[-1])
    assert 0 < len(together.left) < 4
    for position in range(4):
        found = together.outcome(position).curves
        alone = trained(cohort(*patience).select([position]), ENDS[-1]).outcome(0).curves
        torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-6, equal_nan=True)
        lived = int(torch.isfinite(found[:, 0]).sum())
        assert (lived < EPOCHS) == (position in together.left)
        assert torch.isfinite(found[:lived]).all()
        assert found[lived:].isnan().all()


def test_compiled_steps_keep_the_same_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """And however a training is cut into calls, halfway through an epoch too."""
    its = cohort(1e9, 1e9, dtype=torch.float32)
    assert its.compiled is not None
    whole = trained(its, ENDS[-1]).state
    cut = Training.begin(cohort(1e9, 1e9, dtype=torch.float32))
    for until in (1, 2, 5, 9, 13, 17, ENDS[-1]):
        cut = advance(cut, until, fit_quality)
    assert torch.equal(cut.state.curves, whole.curves)
    monkeypatch.setattr(kernels, "available", lambda: False)
    readable = trained(cohort(1e9, 1e9, dtype=torch.float32), ENDS[-1]).state
    torch.testing.assert_close(whole.curves, readable.curves, rtol=1e-3, atol=1e-4)
    assert whole.curves.isfinite().all()


def test_an_unfinished_epoch_adds_up_the_same_however_it_is_cut() -> None:
    """To the last bit, though each call adds up its own losses: 23 of 25 steps."""
    recipe = Recipe(Minibatch(batch_size=2, epochs=2), Mlp(width=8, depth=1), Adam(lr=0.01))
    member = Member(recipe.for_task("classification"))
    whole, cut = (
        Training.begin(cohort_of([member], table(rows=50, dtype=torch.float32))) for _ in range(2)
    )
    assert whole.cohort.compiled is not None
    whole = advance(whole, 23, fit_quality)
    for until in (3, 4, 11, 17, 23):
        cut = advance(cut, until, fit_quality)
    assert torch.equal(whole.state.loss_total, cut.state.loss_total)
    assert whole.state.loss_total > 0
