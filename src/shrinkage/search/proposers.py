"""The searches by name, and which of them a study gets that asks for none.

random: `search.random`.   gp: `search.gp`, which needs the extra `gp`.   optuna: `search.optuna`,
which needs the extra `optuna`.   auto: gp where it is installed and there is something to learn
from, or where earlier studies taught something; random otherwise. Before each may stand a
portfolio, `search.portfolio`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

from shrinkage import scores
from shrinkage.errors import BadInput, not_installed
from shrinkage.recipe import Recipe
from shrinkage.search import earlier, portfolio
from shrinkage.search.portfolio import PortfolioSearch
from shrinkage.search.random import RandomSearch
from shrinkage.search.seam import Search
from shrinkage.search.settings import Settings
from shrinkage.space import Space

NAMES = ("auto", "random", "gp", "optuna")
_NEEDED = {"gp": ("botorch", "BoTorch"), "optuna": ("optuna", "Optuna")}
"""By search: the package it needs, which its extra installs, and what people call it."""

_SHARE = 0.08
"""Part of a study's time that proposing may take."""

_SHORTEST_S = 60.0
_FEWEST = 24
"""A shorter study, or one of fewer trials, ends before a process has learned what to ask."""


def installed(name: str) -> bool:
    """Whether what this search needs is there."""
    return name not in _NEEDED or find_spec(_NEEDED[name][0]) is not None


def named(name: str, budget_s: float, trials: int | None, prior: bool = False) -> str:
    """The search that this name stands for: random, gp or optuna.

    budget_s: of the whole study. trials: at most so many; None: no limit. prior: whether earlier
    studies were named; gp alone learns from them.
    Raises BadInput for an unknown name, for a search whose extra is not installed, and for one that
    does not learn from earlier studies where some were named.
    """
    if name not in NAMES:
        raise BadInput(f"--search {name}: expected {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if prior and name == "auto":
        name = "gp"
    if prior and name != "gp":
        raise BadInput(
            f"--search {name} does not learn from --prior: use --search gp, or leave one out"
        )
    if not installed(name):
        asked, instead = f"--search {name}", ", or use --search random"
        if prior:
            asked, instead = "--prior", ", or leave out --prior"
        raise not_installed(f"{asked} needs {_NEEDED[name][1]}", name, instead)
    if name != "auto":
        return name
    enough = budget_s >= _SHORTEST_S if trials is None else trials >= _FEWEST
    return "gp" if enough and installed("gp") else "random"


def made(
    settings: Settings,
    space: Space,
    cost: Callable[[Recipe], float],
    used: Callable[[], float],
    prior: Path,
) -> Search:
    """The search that a study asked for; it has heard nothing yet. Raises BadInput as `named` does.

    cost: of a recipe's whole training, in any one unit. used: seconds since the study began.
    prior: file of what earlier studies were told, where the settings name some.
    """
    search = _proposer(settings, space, cost, used, prior)
    if not settings.portfolio:
        return search
    own = portfolio.recipes(settings.task, space.base.epochs, scores.name_of(settings.metric))
    return PortfolioSearch(own, search, portfolio.most(settings.trials))


def source_of(search: Search, recipe: Recipe) -> str:
    """What the database calls the source of a recipe that this search asked for."""
    return search.source(recipe) if isinstance(search, PortfolioSearch) else search.name


def _proposer(
    settings: Settings,
    space: Space,
    cost: Callable[[Recipe], float],
    used: Callable[[], float],
    prior: Path,
) -> Search:
    name = named(settings.search, settings.budget_s, settings.trials, bool(settings.prior))
    if name == "random":
        return RandomSearch(space, settings.seed)
    # BoTorch and Optuna are loaded by those who use them.
    if name == "optuna":
        from shrinkage.search.optuna import OptunaSearch

        return OptunaSearch(space, settings.seed)
    from shrinkage.search import surrogate
    from shrinkage.search.gp import GPSearch

    # Its first fit loads more; that can be done while workers train and this process waits.
    Thread(target=surrogate.warm).start()
    # A study of so many trials is not to depend on the time.
    by_time = settings.trials is None
    allowed = (lambda: _SHARE * used()) if by_time else None
    others = earlier.kept(prior) if settings.prior else []
    told = [
        [surrogate.Observation(*each) for each in earlier.points(study, space)] for study in others
    ]
    return GPSearch(space, settings.seed, cost, allowed, told)
