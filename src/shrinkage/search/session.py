"""From data to a written result: what `fit` and `resume` do, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shrinkage import interrupts, kernels
from shrinkage.data.source import Table
from shrinkage.engine import arrays, local
from shrinkage.engine.task import Problem, scaling_of
from shrinkage.errors import BadInput, Interrupted
from shrinkage.recipe import Recipe, load
from shrinkage.scores import OWN, Function, name_of
from shrinkage.search import copies, cutting, earlier, finish, journal, origin, refit, rows, shared
from shrinkage.search.above import Above, Keep, Look
from shrinkage.search.budget import Clock
from shrinkage.search.events import Progress, Watch, logged, nobody
from shrinkage.search.folder import Folder
from shrinkage.search.result import Result, found_result
from shrinkage.search.runlog import in_use, logging_to
from shrinkage.search.scored import check_metric
from shrinkage.search.settings import Settings, device_for, metric_for
from shrinkage.search.study import Study
from shrinkage.space import Space, dimensions_of
from shrinkage.store.artifact import versions
from shrinkage.store.tables import Store
from shrinkage.wording import command

log = logging.getLogger("shrinkage")


def begin(
    table: Table,
    settings: Settings,
    root: Path,
    above: Above,
    *,
    place: shared.Place | None = None,
    started: float | None = None,
    watch: Watch = nobody,
) -> Result:
    """Search, choose and write into a new folder; returns what its result.json holds.

    above: what layers above the search do within its time.
    place: of a study that several machines work on; it is begun there, or joined.
    started: time.monotonic() at which the budget began. Raises BadInput.
    """
    clock = Clock(started or time.monotonic(), settings.budget_s)
    watch(Progress("reading", name_of(settings.metric), left_s=clock.left, budget_s=clock.budget_s))
    folder = Folder(root)
    return _go(folder, *_founded(table, settings, folder, place), clock, watch, above)


@contextmanager
def prepared(table: Table, settings: Settings, folder: Folder, clock: Clock) -> Iterator[Study]:
    """A study as it is before its first step. Raises BadInput."""
    store, settings, cut = _founded(table, settings, folder)
    with store, logging_to(folder.log):
        yield _study(folder, store, settings, cut, replace(clock, cells=cut.cells), nobody)


def _founded(
    table: Table, settings: Settings, folder: Folder, place: shared.Place | None = None
) -> tuple[Store, Settings, rows.Rows]:
    """A new folder with a table cut, what is asked of it, and the model it starts from."""
    # The data is read before a folder exists: bad input leaves nothing behind.
    model = origin.load(settings.start_from) if settings.start_from else None
    cut = cutting.cut(table, settings, model)
    task = cut.schema.task
    metric = metric_for(settings.metric, task)
    check_metric(metric, cut)
    settings = replace(settings, metric=metric, task=task)
    if model is not None and not settings.recipe:
        settings = replace(settings, recipe=origin.recipe_for(model, task, metric).to_toml())
    recipe = Recipe.from_toml(settings.recipe)
    recipe.for_task(task)
    space = Space(recipe, dimensions_of(settings.space))
    space.check(task)
    if model is not None:
        origin.check(model, recipe, space, settings.start_from)
        told = copies.trained_on(settings.start_from, model.schema, cut)
        cut = replace(cut, notes=(*cut.notes, *told))
    others, notes = earlier.read(
        settings.prior, space, task, place and (place.study, shared.digest_of(cut))
    )
    settings = replace(settings, prior=tuple(map(earlier.named, settings.prior)))
    cut = replace(cut, notes=(*cut.notes, *notes))
    with folder.founding():
        rows.save(cut, folder.work)
        if model is not None:
            origin.save(model, folder)
        if settings.prior:
            earlier.save(others, folder.prior)
        if place is not None:
            return shared.joined(place, folder, settings, cut), settings, cut
        store = Store.begun(folder.database, versions()["shrinkage"], settings.to_json())
    return store, settings, cut


def resume(
    root: Path,
    above: Above,
    budget_s: float | None = None,
    *,
    metric: Function | None = None,
    store: str | None = None,
    started: float | None = None,
    watch: Watch = nobody,
) -> Result:
    """Go on with a study: for its remaining time, or for `budget_s` more seconds.

    metric: the function that the study is judged by, where it is one.
    store: the URL of its server, where the password is to be found nowhere else.
    Raises BadInput where the folder holds no study, and without its function.
    """
    folder = Folder(root)
    with shared.opened(folder, store) as known:
        return _resume(folder, known, budget_s, metric, started, watch, above)


def _resume(
    folder: Folder,
    store: Store,
    budget_s: float | None,
    metric: Function | None,
    started: float | None,
    watch: Watch,
    above: Above,
) -> Result:
    if folder.held:
        raise in_use(folder.log)
    settings, row = shared.settings_of(store), store.me()
    left = budget_s if budget_s is not None else max(0.0, settings.budget_s - row.spent_s)
    if row.finished and budget_s is None:
        if (result := found_result(folder)) is not None:
            return result
        left = 0.0  # there is none, or a damaged one: it is written again
    clock = Clock(started or time.monotonic(), left, row.spent_s)
    try:
        device_for(settings.device)
    except BadInput:
        raise BadInput(
            f"{folder.root} was begun on {settings.device}, which is not here: go on with it on "
            "that machine,\nor fit again with --device cpu"
        ) from None
    cut = rows.load(folder.work)
    if settings.start_from:
        cut = replace(cut, origin=origin.kept(folder))
    judge = metric_for(_again(folder, str(settings.metric), metric), cut.schema.task)
    settings = replace(settings, budget_s=left, metric=judge)
    return _go(folder, store, settings, cut, clock, watch, above)


def _again(folder: Folder, name: str, given: Function | None) -> str | Function:
    """What a study is judged by: its metric's name, or its function, given once more."""
    if given is not None and name_of(given) != name:
        raise BadInput(f"{folder.root} is judged by {name}, and not by {name_of(given)}")
    if given is None and name.startswith(OWN):
        function = name.removeprefix(OWN)
        raise BadInput(
            f"{folder.root} is judged by the Python function '{function}', which is not stored: "
            f"go on from Python, with resume({str(folder.root)!r}, metric={function})"
        )
    return given or name


@contextmanager
def _resumable(folder: Folder) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        way_out = f"go on with `{command('resume', folder.root)}`"
        raise Interrupted(f"interrupted; what was finished is kept; {way_out}") from None


def _go(
    folder: Folder,
    store: Store,
    settings: Settings,
    cut: rows.Rows,
    clock: Clock,
    watch: Watch,
    above: Above,
) -> Result:
    clock = replace(clock, cells=cut.cells)
    pool, aside = local.executor(settings.workers), local.aside(settings.device)
    watch = logged(watch)
    kernels.available()  # where they are not compiled yet, that begins now, beside the run
    with store, _resumable(folder), logging_to(folder.log), store.claims.held():
        try:
            folder.sweep()
            study = _study(folder, store, settings, cut, clock, watch)
            study.aside = aside
            if store.shared:
                log.info("study '%s' on %s, as %s", store.study().name, store.name, store.client)
            try:
                study.plan(pool)
                _train(study, pool, above.keep)
            except KeyboardInterrupt:
                interrupts.heard()
                study.interrupted = True
                log.warning("interrupted: keeping the best so far")
                study.harvest()
                shared.fetch(store, folder, study.known.fetched, study.clock.deadline)
            local.stop(aside, wait=True)
            pool = local.rested(pool, settings.workers)
            folder.sweep()  # a worker that was stopped while it wrote leaves a piece
            # What a kill spared, and cohorts that another machine brought to their end.
            folder.forget(but={each.cohort for each in store.trials() if each.status == "running"})
            name, left, budget = name_of(settings.metric), clock.told_s, clock.budget_s
            watch(Progress("scoring", name, left_s=left, budget_s=budget))
            # A kill from here on leaves a model that the result of an earlier session is not of.
            store.spend(clock.used, finished=False)
            result = finish.conclude(study, above)
            finish.write(study, result)
            store.spend(clock.used, finished=not study.interrupted)
            if not study.interrupted:
                _look(study, result, pool, clock, above.look)
                local.stop(pool, wait=True)
                finish.write(study, result)
                store.spend(clock.used, finished=True)
            journal.DONE.say(used=clock.used)
            return result
        finally:
            local.stop(pool)
            local.stop(aside)


def _train(study: Study, pool: Executor, keep: Keep) -> None:
    """Search, and train what wins on all rows; again, while there is time for both.

    What is kept for the second is a guess, and on the safe side: it may leave much of a budget.
    """
    while True:
        tried = study.known.trials
        with keeping(study, _search(study, pool, keep)):
            shared.fetch(study.store, study.folder, study.known.fetched, study.clock.deadline)
            refit.train(study, pool)
            counted = study.settings.trials is not None
            again = study.in_time(study.seconds_of(study.space.base))
            if counted or study.known.trials == tried or not again:
                return study.wind_up(pool)
            log.info("%.1f s are left: the search goes on", study.clock.left)
            study.standing = None  # it holds all networks and what they predict
        study.known.revive()


def _search(study: Study, pool: Executor, keep: Keep) -> float:
    """Search in all the time but what the look at the end needs; returns those seconds.

    They are a guess by trial 0, and once more by the recipe that leads: what it does not need goes
    to the search. What it needs beyond the first guess is the last training's by then.
    """
    kept = keep(study)
    with keeping(study, kept):
        study.run(pool)
    needed = min(kept, keep(study))
    if needed < kept:
        study.known.revive()
        with keeping(study, needed):
            study.run(pool)
    return needed


@contextmanager
def keeping(study: Study, seconds: float) -> Iterator[None]:
    """So much of the study's budget is not used within, but for what comes after."""
    whole = study.clock
    study.clock = replace(whole, kept_s=whole.kept_s + seconds)
    try:
        yield
    finally:
        study.clock = whole


def _look(study: Study, result: Result, pool: Executor, clock: Clock, look: Look) -> None:
    """The study is done: whatever goes wrong here costs the look alone."""
    try:
        look(study, result, pool, clock)
    except KeyboardInterrupt:
        interrupts.heard()
        log.warning("interrupted: no first look at what ingredients bought")
    except BadInput as error:
        log.info("no first look at what ingredients bought: %s", error)
    except Exception:
        log.exception("the first look at what ingredients bought failed")


def _study(
    folder: Folder, store: Store, settings: Settings, cut: rows.Rows, clock: Clock, watch: Watch
) -> Study:
    task = cut.schema.task
    journal.BEGIN.say(task=task, rows=len(cut.train), folds=len(cut.folds))
    journal.SESSION.say(budget=clock.budget_s, used=clock.elapsed(), before=clock.spent)
    for note in cut.notes:
        journal.NOTE.say(note=note)
    recipe, plain = Recipe.from_toml(settings.recipe), load("plain")
    if cut.origin is not None:  # its preparation is all there is
        plain = plain.using(recipe.get("scaling"))
    try:
        shape = rows.load_shape(folder.work)
    except BadInput:
        # Columns are counted once, while the arrays of trial 0 are made.
        scaling = scaling_of(recipe)
        dataset, preparers = rows.prepare(cut, scaling)
        arrays.write(dataset, arrays.path_of(folder.work, scaling))
        whole = cut.preparer(scaling)
        shape = rows.shape_of([*preparers, whole], cut.outputs)
        if cut.origin is not None:
            shape = replace(cut.origin.shape, outputs=cut.outputs)
        rows.save_shape(shape, folder.work)
    start = folder.layers if cut.origin is not None else None
    folds, metric = len(cut.folds), metric_for(settings.metric, task)
    problem = Problem(
        folder.work, folds, shape, task, metric, settings.device, start, settings.precision
    )
    space = Space(recipe, dimensions_of(settings.space))
    return Study(folder, settings, store, cut, problem, recipe, plain, space, clock, watch)
