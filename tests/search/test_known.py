"""What a study knows follows its database: each rung once, cohorts where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from shrinkage.nets.table import TableShape
from shrinkage.recipe import load
from shrinkage.search.beside import Baselines
from shrinkage.search.cost import Costs
from shrinkage.search.known import Known
from shrinkage.store.database import Database, at_file, at_url
from shrinkage.store.opening import make_study
from shrinkage.store.tables import Finished, Store

SHAPE = TableShape(3, (), 2)


def costs() -> Costs:
    return Costs(SHAPE)


@pytest.fixture
def clients(tmp_path: Path):
    """Two clients of a study with a cohort of three trials, begun by the first."""
    yield from begun([at_file(tmp_path / "study.db") for _ in range(3)])


@pytest.fixture
def apart(url: str):
    """The same on a server, where the second has to ask what the first has done."""
    yield from begun([at_url(url) for _ in range(3)])


def begun(places: list[Database]):
    make_study(places[0], "s", "0.1", {})
    stores = [Store(place, "s", name) for place, name in zip(places[1:], "ab", strict=True)]
    for store in stores:
        store.enter({})
    recipe = load("plain")
    stores[0].add_cohort("random", {f"h{i}": recipe.to_toml() for i in range(3)})
    yield stores
    for place in places:
        place.close()


def rung(number: int, scores: dict, changes: dict | None = None) -> Finished:
    return Finished(number, 9, (1 / 9, 1 / 3, 1.0)[number], 2.0, scores, changes or {}, {}, {})


def test_seconds_of_a_training_count_once_though_a_rung_was_trained_again(
    clients: list[Store],
) -> None:
    """Who takes over without a checkpoint begins anew: 6 s whole, and not 2 before it."""
    one, other = clients
    one.finish_rung(0, rung(0, dict.fromkeys(range(3), 0.5)), 1.0)
    one.claims.give_up("cohort 0")
    known = Known(other, costs())
    known.look()
    other.finish_rung(0, rung(1, dict.fromkeys(range(3), 0.5)), 1.0)
    known.trained(0, 1, 1 / 3, 6.0)
    known.look()
    assert known.seconds[0] == 6.0, "the database adds what the first machine took"
    known.trained(0, 2, 2 / 3, 12.0)
    assert known.seconds[0] == 18.0
    known.trained(0, 2, 1.0, 17.0)
    assert known.seconds[0] == 17.0
    known.trained(1, 0, 1 / 9, 2.0)
    known.trained(1, 1, 2 / 9, 4.0)
    assert known.seconds[1] == 6.0


def test_a_rung_is_heard_once(clients: list[Store]) -> None:
    one, other = clients
    known = Known(other, costs())
    known.look()
    one.finish_rung(0, rung(0, {0: 0.5, 1: 0.7, 2: None}, {2: ("diverged", "NaN")}), 1.0)
    for _ in range(2):
        known.look()
    assert sorted(known.seen[0]) == [0.5, 0.7]
    assert [(share, score) for _, share, score in known.untold] == [
        (1 / 9, 0.5), (1 / 9, 0.7), (1 / 9, None)]  # fmt: skip
    assert known.cohorts[0].alive == {0, 1}
    assert (known.cohorts[0].rung, known.trials) == (1, 3)
    known.hear(0, 0, (known.cohorts[0].trials[0], 1 / 9, 0.5), last=False)
    assert len(known.untold) == 3
    assert known.best is None, "no trial has ended"
    one.finish_rung(0, rung(1, {0: 0.6, 1: 0.8}), 1.0)
    one.finish_rung(0, rung(2, {0: 0.9, 1: 0.85}, dict.fromkeys((0, 1), ("finished", None))), 1.0)
    known.look()
    assert (known.best, known.leader) == (0.9, 0)
    assert 0 not in known.seconds, "how long it took another machine says little of this one"
    mine = Known(one, costs())
    mine.look()
    assert mine.seconds[0] == 6.0
    assert known.waiting() == []


def test_scores_from_other_weights_are_kept_from_the_search(clients: list[Store]) -> None:
    one, other = clients
    recipe = load("plain").to_toml()
    one.add_cohort("plain", {"h9": recipe})
    known = Known(other, costs(), frozenset({"plain"}))
    known.look()
    one.finish_rung(0, rung(0, {0: 0.5, 1: 0.7, 2: 0.6}), 1.0)
    one.finish_rung(1, rung(0, {3: 0.9}), 1.0)
    known.look()
    assert [score for _, _, score in known.untold] == [0.5, 0.7, 0.6]
    assert sorted(known.seen[0]) == [0.5, 0.6, 0.7, 0.9], "it counts for everything else"


def test_a_baseline_of_another_is_not_fitted_again(apart: list[Store]) -> None:
    """Its claim is given up when its scores are there: who takes it then looks again."""
    one, other = apart
    known = Known(other, costs())
    known.look()
    beside = Baselines(other, known, Path(), "accuracy", 0)
    one.add_baseline("linear", {"validation": {}, "test": {}}, 1.0)
    assert beside.claimed() == "gradient_boosting"
    assert beside.claimed() is None


def test_what_trains_here_and_what_has_no_time_stays_as_it_is(clients: list[Store]) -> None:
    one, other = clients
    known = Known(other, costs())
    known.look()
    known.cohorts[0].busy = True
    one.finish_rung(0, rung(0, dict.fromkeys(range(3), 0.5), {0: ("dropped", None)}), 1.0)
    known.look()
    assert (known.cohorts[0].alive, known.cohorts[0].rung) == ({0, 1, 2}, 0)
    known.cohorts[0].busy = False
    known.look()
    assert (known.cohorts[0].alive, known.cohorts[0].rung) == ({1, 2}, 1)
    known.cohorts[0].alive.clear()
    known.halted.add(0)
    known.look()
    assert (known.waiting(), known.cohorts[0].alive) == ([], set())


def test_trials_are_where_others_have_put_them(clients: list[Store]) -> None:
    one, other = clients
    known = Known(other, costs())
    known.look()
    assert one.split(0, [[0], [1, 2]]) == [1, 2]
    known.look()
    assert {n: set(c.trials) for n, c in known.cohorts.items()} == {0: set(), 1: {0}, 2: {1, 2}}
    assert [cohort.number for cohort in known.waiting()] == [1, 2]
    assert all(
        cohort.trials[n] == load("plain") for cohort in known.waiting() for n in cohort.alive
    )


def test_a_claim_of_another_is_no_work_of_ours(clients: list[Store]) -> None:
    known = Known(clients[1], costs())
    known.look()
    assert len(known.waiting()) == 1
    assert not known.claim_rung(known.cohorts[0]), "whoever begins a cohort has claimed it"
    assert known.waiting() == []
    assert known.open_elsewhere() == [known.cohorts[0]]
    mine = Known(clients[0], costs())
    mine.look()
    assert mine.claim_rung(mine.cohorts[0])


def test_who_claims_a_cohort_looks_where_it_stands(apart: list[Store]) -> None:
    one, other = apart
    known = Known(other, costs())
    known.look()
    one.finish_rung(0, rung(0, dict.fromkeys(range(3), 0.5), {0: ("dropped", None)}), 1.0)
    one.claims.give_up("cohort 0")
    assert known.claim_rung(known.cohorts[0])
    assert (known.cohorts[0].rung, known.cohorts[0].alive) == (1, {1, 2})
    other.claims.give_up("cohort 0")
    one.finish_rung(
        0, rung(1, dict.fromkeys((1, 2), 0.5), dict.fromkeys((1, 2), ("dropped", None))), 1.0
    )
    one.claims.give_up("cohort 0")
    assert not known.claim_rung(known.cohorts[0]), "nothing of it is left to train"
    assert one.claims.elsewhere() == frozenset()


def test_cohorts_for_which_there_was_no_time_go_on_where_there_is_again(
    clients: list[Store],
) -> None:
    known = Known(clients[0], costs())
    known.look()
    clients[0].finish_rung(0, rung(0, {0: 0.5, 1: 0.7, 2: 0.2}, {2: ("dropped", None)}), 1.0)
    known.look()
    known.halted.add(0)
    known.cohorts[0].alive.clear()
    assert known.waiting() == []
    known.revive()
    (cohort,) = known.waiting()
    assert (cohort.alive, cohort.rung) == ({0, 1}, 1)
    assert len(known.seen[0]) == 3, "no rung is heard twice"


def test_costs_are_learned_from_what_was_trained_on_this_machine(clients: list[Store]) -> None:
    one, other = clients
    one.finish_rung(0, rung(0, dict.fromkeys(range(3), 0.5), {0: ("dropped", None)}), 1.0)
    mine, theirs = Known(one, costs()), Known(other, costs())
    for known in (mine, theirs, mine):
        known.look()
    assert [len(known.costs.logs[True]) for known in (mine, theirs)] == [3, 0]
    one.finish_rung(0, rung(1, dict.fromkeys((1, 2), 0.5)), 1.0)
    mine.look()
    assert len(mine.costs.logs[True]) == 3, "where a later rung began is written nowhere"
    recipe = load("plain")
    assert mine.costs.seconds(recipe) == pytest.approx(2 * 9), "two seconds for a ninth"
