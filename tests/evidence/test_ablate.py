"""From a study to verdicts: paired arms, rows that nobody saw, runs that are killed and go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shrinkage import scores
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.data.later import latest
from shrinkage.data.split import Fold, inside
from shrinkage.data.together import Together
from shrinkage.engine import local, scoring
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput
from shrinkage.evidence import ablate, arms, rounds, stats
from shrinkage.evidence.design import Design, designed, watches
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import Studied, studied
from shrinkage.population.train import Outcome, Training
from shrinkage.recipe import Recipe
from shrinkage.run import opened
from shrinkage.search.budget import Clock

PARTS = {
    "network.dropout.rate": 0.3,
    "loss.label_smoothing.eps": 0.1,
    "stop.early_stopping.patience": 1e9,
    "gradient.clip_norm.max_norm": 1e6,
}
"""Ingredients for a winner; the last one never acts."""


@pytest.fixture
def own(study: Path, tmp_path: Path) -> Studied:
    """A copy of a finished study, whose winner gets some ingredients."""
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    found = studied(folder, opened(folder).result)
    return replace(found, winner=found.plain.set({**TINY, **PARTS}), plain=found.plain.set(TINY))


TINY = {
    "network.mlp.width": 8,
    "network.mlp.depth": 1,
    "data.minibatch.epochs": 3,
    "data.minibatch.batch_size": 32,
    "update.adam.lr": 0.01,
}


def rounds_of(seconds: float = 1e6, slots: int = 1) -> Callable[[Design], Rounds]:
    return lambda design: Rounds(design, local.executor(0), slots, Clock(time.monotonic(), seconds))


def test_nobody_is_judged_by_rows_it_trained_or_stopped_on(own: Studied) -> None:
    design = designed(own.rows, own.problem, [own.winner], own.folder, 0)
    assert watches(own.winner)
    everyone = np.arange(len(own.rows.train))
    for k in range(design.problem.folds):
        three = design.trained[k], design.watched[k], design.judged[k]
        np.testing.assert_array_equal(np.sort(np.concatenate(three)), everyone)
        assert len(design.watched[k]) > 0
    judged = np.concatenate([design.judged[part.fold][part.rows] for part in design.parts])
    np.testing.assert_array_equal(np.sort(judged), everyone)


def test_without_early_stopping_no_row_is_set_aside(own: Studied) -> None:
    recipe = own.winner.without("early_stopping")
    design = designed(own.rows, own.problem, [recipe], own.folder, 0)
    first = own.rows.folds[0]
    np.testing.assert_array_equal(design.trained[0], first.train)
    np.testing.assert_array_equal(design.watched[0], first.validation)


def test_a_holdout_is_judged_in_parts(own: Studied) -> None:
    rows = replace(own.rows, folds=own.rows.folds[:1])
    design = designed(rows, own.problem, [own.winner], own.folder, 0)
    assert [part.fold for part in design.parts] == [0] * 5
    places = np.sort(np.concatenate([part.rows for part in design.parts]))
    np.testing.assert_array_equal(places, np.arange(len(design.judged[0])))


def test_groups_are_even_in_folds_and_leave_classes_to_chance(
    own: Studied, monkeypatch: pytest.MonkeyPatch
) -> None:
    for groups in (7, 50):  # fewer, and more, than a fold has rows
        monkeypatch.setattr("shrinkage.evidence.design.GROUPS", groups)
        design = designed(own.rows, own.problem, [own.winner], own.folder, 0)
        each = [part.groups for part in design.parts]
        for some in (*each, np.concatenate(each)):
            counts = np.bincount(some, minlength=groups)
            assert counts.max() - counts.min() <= 1


def test_rows_that_belong_together_are_never_parted(own: Studied) -> None:
    count = len(own.rows.train)
    clusters = np.arange(count) // 4
    y = own.rows.target(own.rows.train)
    for cv in (3, "holdout"):
        folds = inside(y, "classification", cv, 0, 1, clusters)
        together = Together("a", clusters, np.arange(len(own.rows.test)))
        rows = replace(own.rows, folds=folds, together=together)
        design = designed(rows, own.problem, [own.winner], own.folder, 0)
        for k in range(design.problem.folds):
            sides = [clusters[part[k]] for part in (design.trained, design.watched, design.judged)]
            assert sum(len(np.unique(side)) for side in sides) == len(np.unique(clusters))
        part_of, group_of = {}, {}
        for number, part in enumerate(design.parts):
            its = clusters[design.judged[part.fold][part.rows]]
            for cluster, group in zip(its, part.groups, strict=True):
                assert part_of.setdefault(cluster, number) == number
                assert group_of.setdefault(cluster, group) == group
        judged = np.unique(clusters[np.concatenate(design.judged)])
        assert design.groups == min(50, len(judged)) == len({*group_of.values()})


def test_what_is_watched_is_later_where_later_rows_judge(own: Studied) -> None:
    when = own.rows.train["when"]
    before, after = latest("when", when, 0.2)
    rows = replace(own.rows, folds=(Fold(before, after),), time="when")
    design = designed(rows, own.problem, [own.winner], own.folder, 0)
    three = [when.iloc[part[0]] for part in (design.trained, design.watched, design.judged)]
    assert three[0].max() < three[1].min() <= three[1].max() < three[2].min()


def test_a_holdout_of_few_rows_is_refused(own: Studied) -> None:
    first = own.rows.folds[0]
    rows = replace(own.rows, folds=(Fold(first.train, first.validation[:3]),))
    with pytest.raises(BadInput, match="which an ablation needs"):
        designed(rows, own.problem, [own.winner], own.folder, 0)


@pytest.mark.parametrize(("count", "cv", "judged"), [(4, 4, 1), (10, "holdout", 2)])
def test_an_ablation_needs_clusters_to_leave_out(
    own: Studied, count: int, cv: str | int, judged: int
) -> None:
    clusters = np.arange(len(own.rows.train)) * count // len(own.rows.train)
    y = own.rows.target(own.rows.train)
    folds = inside(y, "classification", cv, 0, 1, clusters)
    rows = replace(own.rows, folds=folds, together=Together("a", clusters, None))
    with pytest.raises(BadInput, match=f"different 'a' in every fold .* has {judged}"):
        designed(rows, own.problem, [own.winner], own.folder, 0)


def test_how_many_rows_of_a_class_come_is_chance_too(own: Studied) -> None:
    """An arm that calls everything one class: its accuracy is that class's share of the rows."""
    target = own.rows.target(own.rows.train)
    errors = []
    for seed in range(40):
        design = designed(own.rows, own.problem, [own.winner], own.folder, seed)
        values = []
        for part in design.parts:
            y = torch.from_numpy(target[design.judged[part.fold][part.rows]])
            one = torch.tensor([[0.9, 0.1]]).repeat(1, len(y), 1)
            given = scores.find("accuracy"), one, y, part.groups, design.groups
            values.append(scoring.leaving_out(*given)[0].numpy())
        own_values = stats.pseudo_values(np.mean(values, 0))
        errors.append(own_values.std(ddof=1) / len(own_values) ** 0.5)
    share = np.mean(target == 0)
    expected = (share * (1 - share) / len(target)) ** 0.5
    assert np.mean(errors) == pytest.approx(expected, rel=0.1)


def test_parts_of_one_class_have_no_say_in_the_auc(own: Studied) -> None:
    target, folds = own.rows.target(own.rows.train), own.rows.folds
    first = folds[0].validation
    one = replace(folds[0], validation=first[target[first] == 0])
    others = np.concatenate([folds[1].validation, first[target[first] != 0]])
    rows = replace(own.rows, folds=(one, replace(folds[1], validation=others), *folds[2:]))
    problem = replace(own.problem, metric="roc_auc")
    design = designed(rows, problem, [own.winner], own.folder, 0)
    assert [part.fold for part in design.parts] == [1, 2]
    with pytest.raises(BadInput, match="ROC AUC is not defined"):
        designed(replace(rows, folds=(one, one, folds[1])), problem, [], own.folder, 0)


def trained(own: Studied, recipes: Sequence[Recipe], seed: int = 5) -> np.ndarray:
    """Scores [R, P, 1 + J] of recipes of one signature that were trained together."""
    design = designed(own.rows, own.problem, [own.winner], own.folder, 0)
    design.prepare(scaling_of(recipes[0]))
    given = design.parts, design.groups, time.monotonic() + 1e6
    assert scoring.run(scoring.Scoring(design.problem, tuple(recipes), seed, *given)) is not None
    place = design.problem.folder
    return np.stack([np.load(scoring.path_of(place, recipe, seed)) for recipe in recipes])


def test_company_changes_nothing(own: Studied) -> None:
    """A recipe's scores are those it has alone: arms are paired, and files may be shared."""
    other = own.winner.set({"network.dropout.rate": 0.0})
    together = trained(own, [own.winner, other])
    (alone,) = trained(own, [other])
    np.testing.assert_array_equal(together[1], alone)
    assert (together[0] != together[1]).any()


def test_a_fold_that_diverged_with_fewer_networks_costs_that_fold_alone(
    own: Studied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots: the others have kept all of theirs by then."""
    recipe = own.winner.without("early_stopping").using(Snapshot(count=3))
    (whole,) = trained(own, [recipe], seed=6)
    real = Training.outcome

    def outcome(self: Training, position: int) -> Outcome:
        found = real(self, position)
        if position != 1:
            return found
        one = {"weights": found.weights[:1], "statistics": found.statistics[:1]}
        return replace(found, **one, reason="a loss of 1e9")

    monkeypatch.setattr(Training, "outcome", outcome)
    for path in own.folder.rglob("*.npy"):
        path.unlink()
    (broken,) = trained(own, [recipe], seed=6)
    design = designed(own.rows, own.problem, [own.winner], own.folder, 0)
    of_it = [part.fold == 1 for part in design.parts]
    assert np.isnan(broken[of_it]).all()
    np.testing.assert_array_equal(broken[np.invert(of_it)], whole[np.invert(of_it)])


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc"])
def test_scores_without_a_group_are_those_of_the_other_rows(metric: str) -> None:
    random = np.random.default_rng(0)
    output = torch.from_numpy(random.dirichlet([1, 1], (2, 30)))
    target, group = torch.from_numpy(random.integers(0, 2, 30)), np.arange(30) % 4
    group[group == 3] = 0  # group 3 is empty
    its = scores.find(metric)
    found = scoring.leaving_out(its, output, target, group, 4)
    whole = scores.goodness(its, its.function(output, target))
    torch.testing.assert_close(found[:, 0], whole)
    torch.testing.assert_close(found[:, 4], whole)
    kept = torch.from_numpy(group != 1)
    less = scores.goodness(its, its.function(output[:, kept], target[kept]))
    torch.testing.assert_close(found[:, 2], less)


def test_a_group_that_is_a_whole_class_is_not_left_out() -> None:
    output = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]], dtype=torch.float64)
    target = torch.tensor([0, 1, 0])
    for metric in (scores.find("roc_auc"), scores.own(_area_or_error, "classification")):
        found = scoring.leaving_out(metric, output, target, np.array([0, 1, 0]), 2)
        assert found.tolist() == [[1.0, 1.0, 1.0]]


def _area_or_error(target: np.ndarray, output: np.ndarray) -> float:
    """A person's function, which does not know what to do with one class."""
    return float(output[target == 1, 1].min() > output[target == 0, 1].max())


def test_an_ingredient_that_never_acts_makes_no_difference(own: Studied) -> None:
    found = ablate.left_out(own, rounds_of(), 2)
    assert set(found.names) == {"dropout", "label_smoothing", "early_stopping", "clip_norm"}
    told = ablate.first_table(found, 0.0)
    never = told["ingredients"]["clip_norm"]
    assert (never["effect"], never["interval"], never["verdict"]) == (0, [0, 0], "equivalent")
    assert told["placebo"]["effect"] != 0
    assert told["ingredients"]["dropout"]["effect"] != 0
    assert sum(told["rates"].values()) == 2 * len(found.design.parts)


def test_placebos_differ_in_the_seed_only(own: Studied) -> None:
    """With the winner's own seeds, the placebo is the winner."""
    found = ablate.left_out(own, rounds_of(), 2)
    whole = arms.around(own.winner, own.plain).arm("again", own.winner)
    found.read(whole, found.seeds)
    np.testing.assert_array_equal(found.values["again"], found.values[ablate.WINNER])
    assert (found.values[ablate.PLACEBO] != found.values[ablate.WINNER]).any()


def test_an_effect_is_the_difference_of_scores(own: Studied) -> None:
    found = ablate.left_out(own, rounds_of(), 3)
    told = ablate.first_table(found, 0.0)
    for each in told["ingredients"].values():
        low, high = each["interval"]
        assert low <= each["effect"] <= high
        assert each["effect"] == pytest.approx(told["score"] - each["score_without"], abs=1e-12)


def test_scores_are_means_of_what_files_hold(own: Studied) -> None:
    found = ablate.left_out(own, rounds_of(), 2)
    one = arms.Arm("one rate", (own.winner,))  # at the rate of its recipe, among those trained
    found.read(one, found.seeds)
    folder = found.design.problem.folder
    files = [np.load(scoring.path_of(folder, own.winner, seed)) for seed in found.seeds]
    expected = np.mean([file[:, 0] for file in files])
    assert found.values["one rate"].mean() == pytest.approx(expected, abs=1e-12)


def test_the_whole_is_written(own: Studied) -> None:
    result = ablate.ablate(own, rounds_of(), 2, None)
    assert result["margin"] == 0.005
    alone = result["alone"]["ingredients"]
    assert set(alone) == set(result["ingredients"])
    assert [len(each["pair"]) for each in result["pairs"]] == [2, 2, 2]
    assert sorted(step["ingredient"] for step in result["path"]) == sorted(alone)
    # The way ends at the winner: all ingredients on the plain network.
    last = result["path"][-1]
    assert last["over_plain"] == pytest.approx(last["score"] - result["alone"]["score"], abs=1e-12)


def test_a_killed_ablation_goes_on(own: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ablate.first_table(ablate.left_out(own, rounds_of(), 2), 0.0)
    shutil.rmtree(own.folder)
    real, calls = scoring.run, []

    def dies(work: scoring.Scoring) -> float | None:
        calls.append(work)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(work)

    monkeypatch.setattr(scoring, "run", dies)
    with pytest.raises(KeyboardInterrupt):
        ablate.left_out(own, rounds_of(), 2)
    before = len(list(own.folder.rglob("*.npy")))
    assert before > 0
    found = ablate.left_out(own, rounds_of(), 2)
    assert ablate.first_table(found, 0.0) == expected
    count = len(calls)
    ablate.left_out(own, rounds_of(), 2)
    assert len(calls) == count  # nothing is trained again


def test_memory_that_runs_out_is_met_by_halves(
    own: Studied, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ablate.first_table(ablate.left_out(own, rounds_of(), 2), 0.0)
    shutil.rmtree(own.folder)
    real = scoring.run

    def small(work: scoring.Scoring) -> float | None:
        if len(work.recipes) > 2:
            raise MemoryError
        return real(work)

    monkeypatch.setattr(scoring, "run", small)
    assert ablate.first_table(ablate.left_out(own, rounds_of(), 2), 0.0) == expected

    def never(work: scoring.Scoring) -> float | None:
        raise MemoryError

    shutil.rmtree(own.folder)
    monkeypatch.setattr(scoring, "run", never)
    with pytest.raises(BadInput, match="no memory"):
        ablate.left_out(own, rounds_of(), 2)


def test_only_whole_rounds_count(own: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time ends in the third round: two seeds are judged."""
    real, done = scoring.run, []

    def slow(work: scoring.Scoring) -> float | None:
        done.append(work.seed)
        return real(work) if len(set(done)) <= 5 else None  # two seeds a round: one is a placebo's

    monkeypatch.setattr(scoring, "run", slow)
    found = ablate.left_out(own, rounds_of(), 5)
    assert len(found.seeds) == 2
    assert all(len(values) == 2 for values in found.values.values())


def test_too_little_time_is_said(own: Studied) -> None:
    with pytest.raises(BadInput, match="at least 2 seeds"):
        ablate.left_out(own, rounds_of(-1.0), 2)


def test_a_recipe_that_diverges_has_no_effect_but_a_word(own: Studied) -> None:
    found = ablate.left_out(own, rounds_of(), 2)
    found.values["without dropout"] = np.full_like(found.values["without dropout"], np.nan)
    told = ablate.first_table(found, 0.0)["ingredients"]
    assert (told["dropout"]["effect"], told["dropout"]["verdict"]) == (None, "diverged")
    assert told["clip_norm"]["verdict"] == "equivalent"


def test_where_a_persons_own_function_has_no_value_nothing_is_said_to_diverge(own: Studied) -> None:
    """Of those called 1, how many are: without the one ingredient nothing is called."""
    metric = scores.own(_precision, "classification")
    own = replace(own, problem=replace(own.problem, metric=metric))
    found = ablate.left_out(own, rounds_of(), 2)
    found.values["without dropout"] = np.full_like(found.values["without dropout"], np.nan)
    told = ablate.first_table(found, 0.0)["ingredients"]
    assert (told["dropout"]["effect"], told["dropout"]["verdict"]) == (None, "no score")


def _precision(target: np.ndarray, output: np.ndarray) -> float:
    return float(target[output[:, 1] > 0.2].mean())


def test_where_the_winner_diverges_no_ingredient_is_to_blame(own: Studied) -> None:
    found = ablate.left_out(own, rounds_of(), 2)
    found.values[ablate.WINNER] = np.full_like(found.values[ablate.WINNER], np.nan)
    told = ablate.first_table(found, 0.0)
    assert told["score"] is None
    assert {each["verdict"] for each in told["ingredients"].values()} == {None}


def test_a_plain_network_that_diverges_costs_what_is_compared_with_it_alone(
    own: Studied, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ablate.Ablation.read

    def read(self: ablate.Ablation, arm: arms.Arm, seeds: Sequence[int]) -> None:
        real(self, arm, seeds)
        if arm.name == ablate.PLAIN:
            self.values[arm.name] = np.full_like(self.values[arm.name], np.nan)

    monkeypatch.setattr(ablate.Ablation, "read", read)
    told = ablate.ablate(own, rounds_of(), 2, 0.0)
    assert (told["alone"], told["path"]) == (None, None)
    assert told["pairs"]
    assert told["ingredients"]["clip_norm"]["verdict"] == "equivalent"


def test_later_parts_may_have_fewer_seeds(own: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time ends while the third seed of `alone` is trained: two seeds count there, four before."""
    found = ablate.left_out(own, rounds_of(), 4)
    real, seeds = scoring.run, []

    def slow(work: scoring.Scoring) -> float | None:
        seeds.append(work.seed)
        return real(work) if len(set(seeds)) <= 2 else None

    monkeypatch.setattr(scoring, "run", slow)
    grid = arms.between(own.winner, own.plain)
    asked = [grid.arm("plain", own.plain), grid.arm("alone", own.plain.using(found.switches[0].on))]
    assert found.train(asked, "alone")
    estimates = found.between("alone", "plain"), found.between(ablate.WINNER, "alone")
    assert [each and each.seeds for each in estimates] == [2, 2]
    expected = (found.values[ablate.WINNER][:2] - found.values["alone"]).mean()
    assert estimates[1] is not None
    assert estimates[1].mean == pytest.approx(expected)


def test_scores_that_a_power_cut_emptied_are_trained_again(tmp_path: Path) -> None:
    whole, empty, broken = (tmp_path / f"{name}.npy" for name in ("whole", "empty", "broken"))
    np.save(whole, np.ones((2, 3)))
    empty.touch()
    broken.write_bytes(whole.read_bytes()[:-8])
    assert [rounds._there(path) for path in (whole, empty, tmp_path / "none.npy")] == [
        True,
        False,
        False,
    ]
    with pytest.raises(BadInput, match=r"broken\.npy is damaged"):
        rounds.read([[broken]])
