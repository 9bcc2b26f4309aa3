"""The whole way from Python: `fit` data into a folder, and what came of it.

run = fit("customers.csv", target="churned", budget="2m", out="run")
run.model.predict(frame);  run.recipe;  run.result["scores"]
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from operator import index
from pathlib import Path
from time import monotonic
from typing import Any

from shrinkage import scores
from shrinkage.data.source import Table, read
from shrinkage.errors import BadInput, NoEffectWarning
from shrinkage.evidence import ablation, grouped, optimism
from shrinkage.evidence.first_look import look, seconds_kept
from shrinkage.evidence.importance import Importance, of_study
from shrinkage.model import Model
from shrinkage.recipe import Recipe, load
from shrinkage.report import write
from shrinkage.scores import Function
from shrinkage.search import proposers, session, shared
from shrinkage.search.above import Above
from shrinkage.search.events import Watch, nobody
from shrinkage.search.folder import Folder, chosen
from shrinkage.search.plan import Plan, planned
from shrinkage.search.result import Result, read_result
from shrinkage.search.settings import (
    Settings,
    device_for,
    folds_for,
    precision_for,
    seconds,
    test_part,
    workers_for,
)
from shrinkage.space import load_space, text_of
from shrinkage.store.tables import Trial

_ABOVE = Above(optimism.of_study, seconds_kept, look, grouped.concluding)


@dataclass(frozen=True)
class Run:
    """A finished study: its folder, and what its result.json holds."""

    folder: Path
    result: Result

    @cached_property
    def model(self) -> Model:
        """The winner, ready to predict."""
        return Model.load(self.folder)

    @cached_property
    def recipe(self) -> Recipe:
        """The winner's recipe."""
        return Recipe.from_toml(self.result["recipe"])


def fit(
    data: Any,
    target: str | None = None,
    *,
    task: str = "auto",
    metric: str | Function = "auto",
    budget: str | float = "5m",
    out: str | Path | None = None,
    test: float | str = 0.2,
    cv: str | int = "auto",
    recipe: str | Path | Recipe | None = None,
    space: str | Path | None = None,
    start_from: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    single: bool = False,
    trials: int | None = None,
    search: str = "auto",
    prior: str | Path | Sequence[str | Path] = (),
    portfolio: bool = False,
    first_look: bool = True,
    by: str | Sequence[str] = (),
    keep: str | Sequence[str] = (),
    together: str | None = None,
    time: str | None = None,
    keep_all: bool = False,
    store: str | None = None,
    study: str | None = None,
    started: float | None = None,
    watch: Watch = nobody,
) -> Run:
    """Find, train, score and save a recipe for a table.

    data: a file, a built-in name, a DataFrame, or (X, y) arrays. target: the column to predict.
    budget: seconds or "5m", from start to written files. out: a new folder; made where None.
    test: share of rows set aside, or a file. cv: "auto", "holdout", K, or "KxR".
    recipe: trial 0; else the base of the space. space: what is searched around it. Both by name, as
    a file, or as TOML.   trials: at most so many.
    search: what proposes recipes: "random", "gp" or "optuna" (TPE), which need the extra of that
    name, or "auto". prior: folders of earlier studies, or URLs of servers; gp learns from those
    that searched the same dimensions for the same kind of task.
    portfolio: recipes that did well on other tables are tried first; not beside a recipe, a space
    or a start of one's own.
    by: columns: winner and plain network are compared on each group of test rows (`subgroups`).
    start_from: folder of a model whose layers and preparation networks start with; recipe and
    space are then its own and "finetune", else "default" and "tabular".
    metric: its name, or a function (target, output) -> number that larger values please, as
    `scores.own` says.
    workers: processes; None: one a core, 0: none but this one. precision: of the products of wide
    layers: float32, bfloat16, tf32 (on a GPU), or auto, what is faster here.
    single: networks of one recipe alone, where else those of several may predict together.
    first_look: at what each ingredient bought, in a part of a budget from 60 s on, where that
    suffices; see `ablate`.
    together: a column; rows with the same value of it, such as a patient's, are never parted by a
    split (groups, in scikit-learn's words), and intervals count them as what they are. Networks
    read it only where `keep` names it, too.
    time: a column of dates or of numbers that grow: the latest rows test, the latest of the others
    validate. Networks read it only where `keep` names it, too.
    keep: columns to use although they look like identifiers. keep_all: use all such, and accept
    few rows.
    store, study: URL of a PostgreSQL database and a name there: the study is begun, or joined by
    this machine where it has been; `out`, budget, workers and device are each machine's own.

    Raises BadInput for anything that cannot be used; nothing is written then. Where it comes to
    light later, as when memory does not hold one network, the folder stays for `resume`.
    """
    options = locals()
    started = started or monotonic()
    place = shared.place(store, study)
    table, settings = _asked(**{name: options[name] for name in _ASKED})
    with chosen(out) as folder:
        result = session.begin(
            table, settings, folder, _ABOVE, place=place, started=started, watch=watch
        )
    write.try_to(folder, store)
    for sentence in result["without_effect"]:
        warnings.warn(sentence, NoEffectWarning, stacklevel=2)
    return Run(folder, result)


def plan(
    data: Any, target: str | None = None, *, started: float | None = None, **asked: Any
) -> Plan:
    """What `fit` would do with its budget: epochs, cohorts, seconds, memory. Writes nothing.

    asked: `fit`'s keyword arguments, without out, store, study and watch. Raises BadInput as `fit`
    does.
    """
    started = started or monotonic()
    return planned(*_asked(data, target, **asked), started, seconds_kept)


def _asked(
    data: Any,
    target: str | None,
    *,
    task: str = "auto",
    metric: str | Function = "auto",
    budget: str | float = "5m",
    test: float | str = 0.2,
    cv: str | int = "auto",
    recipe: str | Path | Recipe | None = None,
    space: str | Path | None = None,
    start_from: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    single: bool = False,
    trials: int | None = None,
    search: str = "auto",
    prior: str | Path | Sequence[str | Path] = (),
    portfolio: bool = False,
    first_look: bool = True,
    by: str | Sequence[str] = (),
    keep: str | Sequence[str] = (),
    together: str | None = None,
    time: str | None = None,
    keep_all: bool = False,
) -> tuple[Table, Settings]:
    """The table, read, and the settings, checked. Raises BadInput."""
    # A database keeps Python's whole numbers, not numpy's.
    seed = index(seed)
    trials, workers = (None if n is None else index(n) for n in (trials, workers))
    if trials is not None and trials < 2:
        raise BadInput(f"--trials {trials}: at least 2, the default and the plain network")
    budget_s = seconds(budget)
    if task not in ("auto", "classification", "regression"):
        raise BadInput(f"--task {task}: expected auto, classification or regression")
    folds_for(str(cv), 0)
    if start_from is not None and keep:
        raise BadInput("--keep: with --start-from the columns are those of the earlier model")
    folders = [prior] if isinstance(prior, str | Path) else list(prior)
    search = proposers.named(search, budget_s, trials, bool(folders))
    begun = start_from is not None
    if portfolio and (begun or recipe is not None or space is not None):
        raise BadInput(
            "--portfolio: its recipes belong to the default recipe and space;\n"
            "leave out --recipe, --space and --start-from, or --portfolio"
        )
    space = space or ("finetune" if begun else "tabular")
    searched = load_space(space)
    text = "" if begun and recipe is None else load(recipe or searched.base).to_toml()
    where = device_for(device)
    table = data if isinstance(data, Table) else read(data)
    name = str(target).strip() if target is not None else table.target
    if name is None:
        raise BadInput(f"{table.name}: say which column to predict, with --target COLUMN")
    settings = Settings(
        source=table.name,
        target=name,
        task=task,
        metric=metric,
        budget_s=budget_s,
        test=test_part(str(test)),
        cv=str(cv),
        recipe=text,
        space=text_of(space),
        seed=seed,
        workers=workers_for(workers, where),
        device=where,
        precision=precision_for(precision, where),
        ensemble=not single,
        trials=trials,
        keep_all=keep_all,
        # A number of trials asks for a study that time does not decide.
        refit=trials is None,
        start_from=str(start_from) if begun else "",
        search=search,
        prior=tuple(str(folder) for folder in folders),
        portfolio=portfolio,
        first_look=first_look,
        by=_columns(by),
        keep=_columns(keep),
        together=_column(together, "--together"),
        time=_column(time, "--time"),
    )
    return table, settings


_ASKED = frozenset(signature(_asked).parameters)
"""Options of `fit` by the names that both give them."""


def resume(
    folder: str | Path,
    budget: str | float | None = None,
    *,
    metric: Function | None = None,
    store: str | None = None,
    started: float | None = None,
    watch: Watch = nobody,
) -> Run:
    """Go on with a study that was killed or interrupted, or give a finished one more time.

    metric: the function it is judged by, where `fit` was given one: its name is all that is kept.
    store: the URL again, of a study on a server whose password is not in PGPASSWORD or ~/.pgpass.
    """
    result = session.resume(
        Path(folder),
        _ABOVE,
        None if budget is None else seconds(budget),
        metric=metric,
        store=store,
        started=started,
        watch=watch,
    )
    write.try_to(Path(folder), store)
    return Run(Path(folder), result)


def ablate(
    folder: str | Path,
    *,
    seeds: int = 10,
    budget: str | float = "5m",
    margin: float | None = None,
    data_worth: bool = False,
    metric: Function | None = None,
    workers: int | None = None,
    store: str | None = None,
    started: float | None = None,
    watch: Watch = nobody,
) -> dict[str, Any]:
    """What each ingredient of a study's winner bought: what ablation.json and ablation.md hold.

    seeds: trainings of every arm, fewer where the budget ends. budget: seconds or "5m".
    margin: a difference that does not matter, in the metric's unit; None: see `evidence.ablate`.
    data_worth: also how many times the rows the winner is worth, see `evidence.data_worth`.
    metric: the function that the study is judged by, where `fit` was given one.
    store: as of `resume`, for the report.
    Raises BadInput where the folder holds no finished study, or there is no time for two seeds.
    """
    if seeds < 2 or not (margin is None or 0 <= margin < math.inf):
        raise BadInput(
            f"seeds={seeds}, margin={margin}: expected two seeds or more, and no less "
            "than 0 for the margin"
        )
    begun = started or monotonic()
    asked = ablation.Asked(seeds, seconds(budget), margin, workers, begun, data_worth)
    found = ablation.ablated(Path(folder), opened(folder).result, metric, asked, watch)
    write.try_to(Path(folder), store)
    return found


def report(folder: str | Path, by: str | Sequence[str] = (), *, store: str | None = None) -> Path:
    """Write a finished study's report.html and report.md again; returns the page's path.

    by: columns of its table whose groups the report shows from now on, with those that were asked
    for before; their numbers go to subgroups.json. store: as of `resume`.
    Raises BadInput, and writes nothing then.
    """
    return write.write(Path(folder), _columns(by), store)


def subgroups(folder: str | Path, by: str | Sequence[str]) -> dict[str, Any]:
    """Winner and plain network on each group of a study's test rows: what subgroups.json holds.

    by: one column or several; they are judged together, and with those that were asked for before.
    Nothing is written.
    Raises BadInput for a column that is not there, or has no two groups of rows enough.
    """
    run, asked = opened(folder), _columns(by)
    every = dict.fromkeys([*grouped.asked_for(run.folder, run.result), *asked])
    found = grouped.of_folder(run.folder, run.result, [*every])
    return found | {"columns": [each for each in found["columns"] if each["column"] in asked]}


def _columns(by: str | Sequence[str]) -> tuple[str, ...]:
    names = [by] if isinstance(by, str) else by
    return tuple(dict.fromkeys(str(name).strip() for name in names))


def _column(name: str | None, option: str) -> str:
    """Raises BadInput for a blank name: a script's unset variable is no wish to do without."""
    if name is None:
        return ""
    if not (found := str(name).strip()):
        raise BadInput(f"{option} '': name a column, or leave it out")
    return found


def opened(folder: str | Path) -> Run:
    """A finished study, read from its folder. Raises BadInput where there is no result."""
    return Run(Path(folder), read_result(Folder(Path(folder))))


def trials_of(folder: str | Path, *, store: str | None = None) -> list[Trial]:
    """Every trial of a study, finished or not, from its database. store: as of `resume`."""
    with shared.opened(Folder(Path(folder)), store, read_only=True) as known:
        return known.trials()


def metric_of(folder: str | Path, *, store: str | None = None) -> tuple[str, bool]:
    """What a study is judged by, ended or not, and whether larger is better."""
    with shared.opened(Folder(Path(folder)), store, read_only=True) as known:
        study = known.study()
        if not isinstance(name := study.settings.get("metric"), str):
            raise BadInput(f"{known.name} is damaged: its settings")
        return name, scores.upwards(name, study.plan or {})


def importance(folder: str | Path, *, store: str | None = None) -> Importance:
    """How much each searched setting decided of what a study's trials scored: correlational.

    store: as of `resume`. Raises BadInput where the folder holds no study.
    """
    with shared.opened(Folder(Path(folder)), store, read_only=True) as known:
        found, _, _ = of_study(known.study().settings, known.trials())
        return found
