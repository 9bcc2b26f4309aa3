"""The shape of the package: imports point one way, randomness is an argument, files are short.

RULES is the whole architecture. A new part of the package needs a row in it.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "shrinkage"
LONGEST = 400
ABOVE = "*"


@dataclass(frozen=True)
class Rule:
    """What parts of the package may import of it, besides each other and themselves.

    parts: names of modules and folders right under `shrinkage`.
    imports: parts they may import; "*" stands for all parts in the rows above.
    never: libraries they may not import.
    """

    parts: str
    imports: str = ""
    never: str = ""


# Lowest first.
BASE = "errors ingredient constants randomness batch slots"
ELEMENTS = "rows augment nets losses optim schedules averaging stopping"
RULES = [
    Rule("errors", never="torch numpy pandas"),
    Rule("files", "errors", never="torch"),
    Rule("wording", never="torch"),
    Rule("interrupts", never="torch"),
    Rule("ingredient", "errors"),
    Rule("constants"),
    Rule("slots"),
    Rule("randomness", "errors constants slots"),
    Rule("batch", "errors"),
    Rule("clusters", never="torch pandas"),
    Rule("uncertainty", "clusters", never="torch pandas"),
    Rule("data", "errors clusters wording", never="torch"),
    Rule("digest"),
    Rule("measures", "errors"),
    Rule("scores", "errors digest measures"),
    Rule("calibration cutoff", "errors clusters uncertainty measures scores"),
    Rule("paired", "clusters uncertainty scores"),
    Rule("baselines", "errors data scores", never="torch"),
    Rule("kernels", "randomness"),
    Rule(ELEMENTS, f"{BASE} kernels"),
    Rule("catalog", f"{BASE} {ELEMENTS}"),
    Rule("presets", "errors", never="torch"),
    Rule("recipe", f"{BASE} {ELEMENTS} files presets catalog"),
    Rule("dimension", f"{BASE} {ELEMENTS} catalog recipe"),
    Rule("space", f"{BASE} {ELEMENTS} files presets catalog recipe dimension"),
    Rule("cards", f"{BASE} {ELEMENTS} files catalog recipe dimension space", never="torch"),
    Rule("store", "errors files ingredient data scores catalog recipe space"),
    Rule("population", ABOVE),
    Rule("engine", ABOVE),
    Rule("model", ABOVE),
    Rule("search", ABOVE),
    Rule("evidence", ABOVE),
    Rule("report", ABOVE),
    Rule("dashboard", ABOVE),
    Rule("testing", ABOVE),
    Rule("run", ABOVE),
    Rule("estimator", ABOVE),
    Rule("__init__", ABOVE),
    Rule("cli", ABOVE),
    Rule("__main__", ABOVE),
]


def _allowed() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Part -> (parts of ours it may import, libraries it may not)."""
    table: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for rule in RULES:
        own = rule.parts.split()
        ours = list(table) if rule.imports == ABOVE else rule.imports.split()
        unknown = set(ours) - set(table)
        assert not unknown, f"{rule.parts}: {unknown} has no row above"
        table |= {part: (frozenset([*ours, *own]), frozenset(rule.never.split())) for part in own}
    return table


ALLOWED = _allowed()
FILES = sorted(SOURCE.rglob("*.py"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))


def _part(file: Path) -> str:
    return file.relative_to(SOURCE).with_suffix("").parts[0]


def _imported(tree: ast.AST, package: str) -> Iterator[tuple[str, int]]:
    """Full names of all that a module imports, anywhere in it, with line numbers.

    package: the dotted name that a relative import of level 1 starts from.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(up if node.level else []), *filter(None, [node.module])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def import_faults(code: str, part: str, package: str) -> list[str]:
    """What a module of a part imports against the rules."""
    ours, never = ALLOWED[part]
    faults = []
    for name, line in _imported(ast.parse(code), package):
        library, _, rest = name.partition(".")
        target = rest.split(".")[0]
        if library == "shrinkage":
            target = target if target in ALLOWED else "__init__"  # a public name
            if target not in ours:
                faults.append(f"line {line}: {part} may not import {target} ({name})")
        elif library in never:
            faults.append(f"line {line}: {part} may not import {library}")
    return faults


# Calls that read a global generator: always, or unless they are given a generator or a seed.
TORCH = "rand randn randint randperm normal bernoulli multinomial poisson"
METHODS = "uniform_ normal_ bernoulli_ random_ exponential_ cauchy_ log_normal_ geometric_"
INIT = "uniform_ normal_ trunc_normal_ orthogonal_ sparse_ xavier_uniform_ xavier_normal_"
DROPOUTS = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout rrelu"
STATE = "manual_seed seed initial_seed get_rng_state set_rng_state"
ALWAYS = {
    *(f"torch.{name}" for name in [*STATE.split(), "dropout"]),
    *(f"torch.cuda.{name}" for name in [*STATE.split(), "manual_seed_all", "seed_all"]),
    *(f"torch.nn.functional.{name}" for name in [*DROPOUTS.split(), "gumbel_softmax"]),
    *(f"torch.nn.{name}" for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")),
}
NEED_GENERATOR = {
    *(f"torch.{name}" for name in TORCH.split()),
    *(f"torch.{name}_like" for name in ("rand", "randn", "randint")),
    *(f"torch.nn.init.{name}" for name in INIT.split()),
    *(f"torch.nn.init.kaiming_{name}_" for name in ("uniform", "normal")),
}
NEED_GENERATOR_METHODS = {*METHODS.split(), "multinomial", "bernoulli"}
NEED_SEED = {
    *(f"numpy.random.{name}" for name in ("default_rng", "RandomState", "SeedSequence")),
    *(f"numpy.random.{name}" for name in ("PCG64", "Philox", "SFC64", "MT19937")),
    "random.Random",
}
# Draw nothing; the last four put back what another package's seeding has disturbed.
FREE = {
    "numpy.random.Generator",
    *("random.getstate", "random.setstate", "numpy.random.get_state", "numpy.random.set_state"),
}
GLOBAL = ("torch.random.", "numpy.random.", "random.")


def random_faults(code: str) -> list[str]:
    """Calls of a module that draw from a generator nobody passed in."""
    tree = ast.parse(code)
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [f"line {call.lineno}: {ast.unparse(call)}" for call in calls if _is_global(call, names)]


def _is_global(call: ast.Call, names: dict[str, str]) -> bool:
    generator = any(keyword.arg == "generator" for keyword in call.keywords)
    name = _full_name(call.func, names)
    if name is None:  # a method of some value
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        return method in NEED_GENERATOR_METHODS and not generator
    if name in NEED_GENERATOR:
        return not generator
    if name in NEED_SEED:
        return not (call.args or call.keywords)
    return name in ALWAYS or (name.startswith(GLOBAL) and name not in FREE)


def _full_name(node: ast.expr, names: dict[str, str]) -> str | None:
    """The dotted name of an imported thing; None for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        base = _full_name(node.value, names)
        return base and f"{base}.{node.attr}"
    return None


@each_file
def test_imports_point_one_way(file: Path) -> None:
    part = _part(file)
    assert part in ALLOWED, f"{part} has no row in RULES: say what it may import"
    package = ".".join(("shrinkage", *file.relative_to(SOURCE).parent.parts))
    assert import_faults(file.read_text(), part, package) == []


@each_file
def test_randomness_is_an_argument(file: Path) -> None:
    assert random_faults(file.read_text()) == []


@each_file
def test_files_are_short(file: Path) -> None:
    lines = len(file.read_text().splitlines())
    assert lines <= LONGEST, f"{lines} lines: split it"


@each_file
def test_modules_say_what_they_are(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text())), "the module docstring comes first"


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 10


IMPORTS = [
    ("data", "import torch", False),
    ("data", "import torch.nn as nn", False),
    ("data", "def f():\n    from shrinkage.recipe import Recipe", False),
    ("data", "from shrinkage.errors import BadInput", True),
    ("data", "from shrinkage.data import cells", True),
    ("nets", "from ..population import step", False),
    ("nets", "from . import linear", True),
    ("nets", "from ..losses import l2", True),
    ("nets", "from shrinkage.data.schema import Schema", False),
    ("nets", "from shrinkage import Recipe", False),
    ("nets", "import shrinkage.search.random", False),
    ("nets", "import torch", True),
    ("store", "from shrinkage.optim.adam import Adam", False),
    ("store", "from shrinkage.recipe import Recipe", True),
    ("catalog", "from shrinkage import recipe", False),
    ("recipe", "from shrinkage import catalog", True),
    ("search", "from shrinkage import population", True),
    ("population", "from shrinkage.engine import local", False),
    ("cli", "from shrinkage import fit", True),
    ("estimator", "from shrinkage.cli import main", False),
]


@pytest.mark.parametrize(("part", "code", "fine"), IMPORTS)
def test_the_import_check_sees(part: str, code: str, fine: bool) -> None:
    assert (import_faults(code, part, f"shrinkage.{part}") == []) is fine


DRAWS = [
    ("import torch; torch.manual_seed(0)", False),
    ("import torch; torch.Generator().manual_seed(0)", True),
    ("import torch; torch.randn(3)", False),
    ("import torch; torch.randn(3, generator=g)", True),
    ("from torch import randperm as shuffle; shuffle(3)", False),
    ("import torch; torch.cuda.manual_seed_all(0)", False),
    ("import torch; torch.random.fork_rng()", False),
    ("import torch.nn.functional as F; F.dropout(x, 0.1)", False),
    ("import torch; torch.nn.functional.dropout(x)", False),
    ("from torch import nn; nn.init.xavier_uniform_(w)", False),
    ("from torch import nn; nn.init.zeros_(w)", True),
    ("w.normal_()", False),
    ("w.normal_(generator=g)", True),
    ("p.to(d).multinomial(3)", False),
    ("import numpy as np; np.random.seed(0)", False),
    ("import numpy as np; np.random.permutation(3)", False),
    ("import numpy as np; np.random.default_rng()", False),
    ("import numpy as np; np.random.default_rng(seed).random()", True),
    ("from numpy.random import default_rng; default_rng(0)", True),
    ("import random; random.random()", False),
    ("import random; random.Random(0).random()", True),
    ("from random import shuffle; shuffle(rows)", False),
    ("from shrinkage.search import random; random.ask()", True),
]


@pytest.mark.parametrize(("code", "fine"), DRAWS)
def test_the_randomness_check_sees(code: str, fine: bool) -> None:
    assert (random_faults(code) == []) is fine
