"""Command lines that cannot be carried out, and the words their error has to contain.

One row is one case. `prepare(place)` writes what the case needs and returns the arguments; a
place knows the folder to write in and finished studies to copy and damage.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.malformed import GOOD
from data.malformed import file as written


@dataclass(frozen=True)
class Place:
    """folder: empty, the working directory. study, regression: finished; read only."""

    folder: Path
    study: Path
    regression: Path

    def table(self) -> Path:
        """A table without faults: numbers a, b and classes y."""
        return written("good.csv", GOOD)(self.folder)

    def text(self, name: str, content: str | bytes) -> Path:
        return written(name, content)(self.folder)

    def copy(self) -> Path:
        return Path(shutil.copytree(self.study, self.folder / "run"))


@dataclass(frozen=True)
class Bad:
    name: str
    prepare: Callable[[Place], list[object]]
    expects: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


ASKED = ("--target", "y", "--out", "new", "--budget", "10s", "--workers", "0", "--trials", "2")


def fit(name: str, *options: object, expects: tuple[str, ...]) -> Bad:
    """`fit` on a good table with these options."""
    return Bad(name, lambda p: ["fit", p.table(), *ASKED, *options], expects)


def fit_with(name: str, option: str, content: str | bytes, *expects: str) -> Bad:
    """`fit` with an option that names a TOML file of this content."""

    def prepare(place: Place) -> list[object]:
        path = place.text("given.toml", content)
        return ["fit", place.table(), *ASKED, option, path]

    return Bad(name, prepare, ("given.toml", *expects))


def fit_test_file(name: str, content: str, *expects: str) -> Bad:
    def prepare(place: Place) -> list[object]:
        path = place.text("test.csv", content)
        return ["fit", place.table(), *ASKED, "--test", path]

    return Bad(name, prepare, ("test.csv", *expects))


def predict(name: str, content: str, *expects: str, options: tuple[object, ...] = ()) -> Bad:
    """`predict` of rows in a CSV of this content with a model that works."""

    def prepare(place: Place) -> list[object]:
        return ["predict", place.study, place.text("rows.csv", content), *options]

    return Bad(name, prepare, expects)


def damaged(name: str, damage: Callable[[Path], object], command: str, *expects: str) -> Bad:
    """A command on a copy of a finished study after `damage(run)`."""

    def prepare(place: Place) -> list[object]:
        run = place.copy()
        damage(run)
        rows = place.text("rows.csv", ROWS)
        return {
            "predict": ["predict", run, rows],
            "resume": ["resume", run, "--budget", "10s"],
            "show": ["show", run],
            "recipe": ["recipe", run],
        }[command]

    return Bad(name, prepare, expects)


ROWS = "a,b,colour,when\n0.1,0.2,red,2024-03-01\n-1,,blue,2024-04-01\n"


def delete(*names: str) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        for name in names:
            path = run / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def flip(name: str, share: float = 0.5) -> Callable[[Path], object]:
    """One byte is another, at this share of the file."""

    def damage(run: Path) -> None:
        path = run / name
        data = bytearray(path.read_bytes())
        data[int(share * (len(data) - 1))] ^= 0x15
        path.write_bytes(data)

    return damage


def replaced(name: str, content: str | bytes) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        (run / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def cut_off(name: str) -> Callable[[Path], object]:
    return lambda run: os.truncate(run / name, (run / name).stat().st_size * 2 // 3)


def overwritten(name: str) -> Callable[[Path], object]:
    """Zeros, as a disk leaves them, from one third of the file to its end."""

    def damage(run: Path) -> None:
        size = (run / name).stat().st_size
        os.truncate(run / name, size // 3)
        os.truncate(run / name, size)

    return damage


def manifest(**changed: object) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        path = run / "model" / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return damage


def sql(*statements: str) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        connection = sqlite3.connect(run / "study.db")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return damage


def other_database(run: Path) -> None:
    (run / "study.db").unlink()
    sql("create table cats (name text)")(run)


def in_use(place: Place) -> list[object]:
    return ["fit", place.table(), "--target", "y", "--out", place.copy()]


def occupied(place: Place) -> list[object]:
    place.text("mine.txt", "not yours")
    return ["fit", place.table(), "--target", "y", "--out", place.folder]


def out_is_a_file(place: Place) -> list[object]:
    return ["fit", place.table(), "--target", "y", "--out", place.text("new", "")]


def out_below_a_file(place: Place) -> list[object]:
    return ["fit", place.table(), "--target", "y", "--out", place.text("new", "") / "run"]


def output_is_a_folder(place: Place) -> list[object]:
    (place.folder / "out").mkdir()
    return ["predict", place.study, place.text("rows.csv", ROWS), "-o", place.folder / "out"]


COMMANDS = [
    Bad("unknown command", lambda p: ["fti", p.table()], ("fti", "--help")),
    Bad("unknown option", lambda p: ["fit", p.table(), "--tagret", "y"], ("--tagret",)),
    Bad("no data", lambda p: ["fit"], ("Missing argument", "data")),
    Bad("an option without value", lambda p: ["fit", p.table(), "--target"], ("--target",)),
    Bad("no target", lambda p: ["fit", p.table(), "--out", "new"], ("--target", "good.csv")),
    Bad("nothing to resume", lambda p: ["resume", "nowhere"], ("nowhere", "study")),
    Bad("nothing to show", lambda p: ["show", "nowhere"], ("nowhere", "study")),
    Bad("no model", lambda p: ["predict", "nowhere", p.table()], ("nowhere", "no model")),
    Bad("no such recipe", lambda p: ["recipe", "defualt"], ("defualt", "default")),
    Bad("diff to nothing", lambda p: ["recipe", "plain", "--diff", "x"], ("'x'", "plain")),
    Bad("no such ingredient", lambda p: ["ingredients", "mixpu"], ("mixpu", "mixup")),
    Bad(
        "nothing to watch",
        lambda p: ["watch", "nowhere", "--wait", "0"],
        ("nowhere does not exist", "shrinkage fit", "--wait"),
    ),
    Bad("no run to watch", lambda p: ["watch", p.folder, "--wait", "0"], ("holds no run",)),
    Bad(
        "watch at a port that is none", lambda p: ["watch", p.study, "--port", "70000"], ("--port",)
    ),
    Bad("watch in negative time", lambda p: ["watch", p.study, "--wait", "-1"], ("--wait",)),
    Bad("show --top 0", lambda p: ["show", p.study, "--top", "0"], ("--top", "equal to 1")),
]

SETTINGS = [
    fit("budget of words", "--budget", "soon", expects=("--budget soon", "5m")),
    fit("budget of a strange unit", "--budget", "5y", expects=("'y'", "s, m, h")),
    fit("budget of nothing", "--budget", "", expects=("--budget",)),
    fit("budget too short", "--budget", "3s", expects=("--budget 3s", "10 s")),
    fit("budget below zero", "--budget", "-5m", expects=("--budget",)),
    fit("one fold", "--cv", "1", expects=("cv", "1")),
    fit("more folds than rows", "--cv", "100", expects=("cv", "48 rows", "100")),
    fit("folds of words", "--cv", "five", expects=("--cv five", "holdout")),
    fit("folds below zero", "--cv", "-3", expects=("--cv -3", "holdout")),
    fit("test share of 1", "--test", "1", expects=("--test 1", "between 0 and 1")),
    fit("test share below zero", "--test", "-0.2", expects=("--test -0.2",)),
    fit("test share of all but nothing", "--test", "0.999", expects=("0.999", "share")),
    fit("test file not there", "--test", "tset.csv", expects=("tset.csv", "no such file")),
    fit("task unknown", "--task", "clustering", expects=("--task clustering", "regression")),
    fit("metric unknown", "--metric", "acuracy", expects=("acuracy", "'accuracy'")),
    fit("metric of the other task", "--metric", "rmse", expects=("'rmse'", "regression")),
    fit("search unknown", "--search", "grid", expects=("grid", "gp or optuna")),
    fit("seed below zero", "--seed", "-1", expects=("--seed", "equal to 0")),
    fit("seed too large", "--seed", "99999999999", expects=("seed", "99999999999")),
    fit("seed of words", "--seed", "lucky", expects=("--seed", "integer")),
    fit("workers below zero", "--workers", "-1", expects=("--workers -1",)),
    fit("one trial", "--trials", "1", expects=("--trials", "equal to 2")),
    fit("device unknown", "--device", "abacus", expects=("--device abacus", "cpu")),
    fit("device without numbers", "--device", "meta", expects=("--device meta", "cpu")),
    fit("group column not there", "--by", "colour", expects=("'colour' for --by", "'a', 'b', 'y'")),
    fit("kept column not there", "--keep", "colour", expects=("'colour' for --keep", "'a', 'b'")),
    fit(
        "column of clusters not there",
        *("--together", "colour"),
        expects=("'colour' for --together", "'a', 'b'"),
    ),
    fit("clusters by nothing", "--together", "", expects=("--together ''", "leave it out")),
    fit("time by nothing", "--time", " ", expects=("--time ''", "leave it out")),
    fit("clusters by the target", "--together", "y", expects=("--together y", "to predict")),
    fit("no such time", "--time", "day", expects=("'day' for --time",)),
    fit("time by the target", "--time", "y", expects=("--time y", "to predict")),
    fit("time and folds", "--time", "a", "--cv", "5", expects=("--cv 5", "--time")),
    fit("time and clusters", "--time", "a", "--together", "b", expects=("name one",)),
    fit("clusters of one row", "--together", "a", expects=("--together a", "no two of 60 rows")),
    fit("group column misspelt", "--by", "y", "--by", "B_", expects=("'B_'", "Did you mean 'b'?")),
    fit("groups of too few rows", "--by", "y", expects=("--by y", "one group", "20 test rows")),
    fit("group column empty", "--by", "", expects=("no column '' for --by",)),
    Bad(
        "report by nothing known",
        lambda p: ["report", p.study, "--by", "color"],
        ("'color' for --by", "Did you mean 'colour'?"),
    ),
    Bad(
        "report by too few rows",
        lambda p: ["report", p.study, "--by", "colour"],
        ("--by colour", "all of the 24 test rows are in one group"),
    ),
    fit("recipe not there", "--recipe", "mine.toml", expects=("mine.toml", "default")),
    fit("space not there", "--space", "tabluar", expects=("tabluar", "tabular")),
    Bad("out is a file", out_is_a_file, ("new", "choose another --out")),
    Bad("out below a file", out_below_a_file, ("new", "cannot write")),
    Bad("out in use by a study", in_use, ("run", "shrinkage resume")),
    Bad("out not empty", occupied, ("not an empty folder", "choose another --out")),
    fit("out cannot be made", "--out", "/proc/new", expects=("/proc/new", "cannot write")),
]

FILES = [
    fit_with("recipe is no TOML", "--recipe", "width = = 3", "not valid TOML"),
    fit_with("recipe is not UTF-8", "--recipe", b"[network.mlp]\n# caf\xe9\n", "cannot read"),
    fit_with("recipe of unknown place", "--recipe", "[netwrok.mlp]\nwidth = 8\n", "[network]"),
    fit_with("recipe of unknown ingredient", "--recipe", "[network.mpl]\nwidth = 8\n", "mpl"),
    fit_with("recipe in the wrong place", "--recipe", "[update.mlp]\nwidth = 8\n", "[network]"),
    fit_with("recipe of unknown field", "--recipe", "[network.mlp]\nwidht = 8\n", "widht", "width"),
    fit_with("recipe of text", "--recipe", '[update.adam]\nlr = "fast"\n', "update.adam.lr"),
    fit_with("recipe out of range", "--recipe", "[network.dropout]\nrate = 1.5\n", "1.5", "[0, 1)"),
    fit_with("recipe of NaN", "--recipe", "[update.adam]\nlr = nan\n", "nan"),
    fit_with("recipe of half a layer", "--recipe", "[network.mlp]\ndepth = 1.5\n", "depth", "1.5"),
    fit_with("recipe of two optimizers", "--recipe", "[update.adam]\n[update.sgd]\n", "optimizer"),
    fit_with("recipe of a list", "--recipe", "network = [1]\n", "network", "place"),
    fit_with("recipe of a bare number", "--recipe", "[network]\nmlp = 3\n", "[network.mlp]"),
    fit("recipe of another task", "--recipe", "loss.toml", expects=("squared_error",)),
    fit_with("space is no TOML", "--space", "[vary", "not valid TOML"),
    fit_with("space of unknown key", "--space", "[search]\n", "'search'", "vary"),
    fit_with("space of a bare choice", "--space", "choose = 3\n", "choose", "table"),
    fit_with("space of a bare vary", "--space", "vary = 3\n", "vary", "table"),
    fit_with("space of a bare base", "--space", "base = 3\n", "base"),
    fit_with("space from nothing", "--space", 'base = "defualt"\n', "defualt"),
    fit_with("space of unknown role", "--space", '[choose]\nlayers = ["mlp"]\n', "layers"),
    fit_with("space of unknown option", "--space", '[choose]\nschedule = ["cos"]\n', "cosine"),
    fit_with(
        "space of nested options", "--space", '[choose]\nschedule = [["cosine"]]\n', "schedul"
    ),
    fit_with("space without options", "--space", "[choose]\nschedule = []\n", "schedule"),
    fit_with("space of unknown field", "--space", '[vary]\n"update.adam.rate" = {}\n', "adam.rate"),
    fit_with("space of half a path", "--space", "[vary]\nadam = {}\n", "place.ingredient.field"),
    fit_with(
        "space of an inverted range",
        "--space",
        '[vary]\n"update.adam.lr" = { low = 1.0, high = 0.1 }\n',
        "low < high",
    ),
    fit_with(
        "space of a text range",
        "--space",
        '[vary]\n"update.adam.lr" = { low = "a" }\n',
        "low < high",
    ),
    fit_with(
        "space outside the valid",
        "--space",
        '[vary]\n"network.dropout.rate" = { high = 2.0 }\n',
        "[0, 1)",
    ),
    fit_with(
        "space of a text share",
        "--space",
        '[vary]\n"network.dropout.rate" = { off = "x" }\n',
        "off",
    ),
    fit_with(
        "space of a strange scale",
        "--space",
        '[vary]\n"update.adam.lr" = { scale = "cubic" }\n',
        "cubic",
    ),
    fit_with("space of half layers", "--space", '[vary]\n"network.mlp.depth" = [1, 1.5]\n', "1.5"),
    fit_with(
        "space of text switches", "--space", '[vary]\n"update.sgd.nesterov" = ["yes"]\n', "nesterov"
    ),
    fit("space of another task", "--space", "huber.toml", expects=("huber",)),
    fit_test_file("test file without a column", "a,y\n1,yes\n", "'b'", "missing"),
    fit_test_file("test file without the target", "a,b\n1,2\n", "'y'", "missing"),
    fit_test_file("test file of unknown class", "a,b,y\n1,2,maybe\n", "'maybe'", "line 2"),
    fit_test_file("test file of text", "a,b,y\n1,2 kg,yes\n", "'b'", "line 2", "'2 kg'"),
    fit_test_file("test file empty", "", "empty"),
    fit_test_file("test file without targets", "a,b,y\n1,2,\n", "'y'", "no values"),
]

PREDICT = [
    predict("missing columns", "a,when\n1,2024-01-01\n", "rows.csv", "'b'", "'colour'"),
    predict("text in a number column", ROWS + "x,1,red,2024-01-01\n", "'a'", "line 4", "'x'"),
    predict("a date that is none", ROWS + "1,1,red,soon\n", "'when'", "line 4", "'soon'"),
    predict("infinite number", ROWS + "1,inf,red,2024-01-01\n", "'b'", "line 4", "infinite"),
    predict("ragged row", ROWS + "1,1\n", "line 4", "2 cells"),
    predict("no rows", "a,b,colour,when\n", "rows.csv", "no rows"),
    predict("output of a kind we do not write", ROWS, ".parquet", options=("-o", "p.xlsx")),
    predict("output packed twice", ROWS, ".parquet", options=("-o", "p.parquet.gz")),
    predict("output in a file and as JSON", ROWS, "leave one", options=("--json", "-o", "p.csv")),
    predict("output in no folder", ROWS, "no/p.csv", options=("-o", "no/p.csv")),
    predict("output in a place without files", ROWS, "/proc/p", options=("-o", "/proc/p.csv")),
    Bad("output is a folder", output_is_a_folder, ("out", "cannot write")),
    Bad(
        "classes of numbers",
        lambda p: ["predict", p.regression, p.table(), "--proba"],
        ("--proba", "numbers"),
    ),
    Bad("rows not there", lambda p: ["predict", p.study, "x.csv"], ("x.csv", "no such file")),
    Bad("a table as the model", lambda p: ["predict", p.table(), p.table()], ("no model",)),
    Bad("an empty folder as the model", lambda p: ["predict", p.folder, p.table()], ("no model",)),
]

MODEL_FILES = (
    "weights.safetensors",
    "recipe.toml",
    "manifest.json",
    "preparation/0.skops",
    "preparation/2.skops",
)

DAMAGED = [
    *(damaged(f"{f} deleted", delete(f"model/{f}"), "predict", f) for f in MODEL_FILES),
    *(damaged(f"{f} flipped at {s:.0%}", flip(f"model/{f}", s), "predict", "run/model")
      for f in MODEL_FILES for s in (0, 0.3, 0.5, 0.8, 1)),
    *(damaged(f"{f} empty", replaced(f"model/{f}", ""), "predict", f) for f in MODEL_FILES),
    damaged("model deleted", delete("model"), "predict", "no model"),
    damaged("newer model", manifest(format=99, versions={"shrinkage": "9.1"}), "predict",
            "9.1", "newer format", "upgrade"),
    damaged("newer model of another shape", manifest(format=99, versions=3), "predict", "upgrade"),
    damaged("model of format 'one'", manifest(format="one"), "predict", "manifest.json"),
    damaged("manifest changed by hand", manifest(target="z"), "predict", "manifest.json"),
    damaged("manifest without hashes", manifest(files={}), "predict", "manifest.json"),
    damaged("manifest of another program", replaced("model/manifest.json", '{"a": 1}'), "predict",
            "not one of shrinkage"),
    damaged("manifest of a list", replaced("model/manifest.json", "[]"), "predict",
            "not one of shrinkage"),
    damaged("study.db deleted", delete("study.db"), "resume", "study.db", "does not hold a study"),
    damaged("study.db empty", replaced("study.db", ""), "resume", "study.db"),
    damaged("study.db is text", replaced("study.db", "hello " * 999), "resume", "study.db"),
    damaged("study.db flipped at its start", flip("study.db", 0), "resume", "study.db"),
    damaged("study.db cut off", cut_off("study.db"), "resume", "study.db", "malformed"),
    damaged("study.db overwritten", overwritten("study.db"), "resume", "study.db", "damaged"),
    damaged("study.db overwritten, shown", overwritten("study.db"), "show", "study.db"),
    damaged("study.db of another program", other_database, "resume", "study.db"),
    damaged("study.db without a study", sql("delete from study"), "resume", "study.db"),
    damaged("newer study.db", sql("update study set format=99, version='9.1'"), "resume",
            "9.1", "newer format", "upgrade"),
    damaged("settings of no sense", sql("update study set settings='[1]'"), "resume", "study.db"),
    damaged("settings cut off", sql("update study set settings='{'"), "resume", "study.db"),
    damaged("settings without a target", sql("update study set settings='{}'"), "resume",
            "study.db"),
    damaged("recipes of no sense", sql("update trial set recipe='x'"), "resume", "recipe", "TOML"),
    damaged("work deleted", delete("work"), "resume", "run/work", "not a complete study"),
    *(damaged(f"work/{f} deleted", delete(f"work/{f}"), "resume", "not a complete study")
      for f in ("train.parquet", "folds.npz", "schema.json")),
    *(damaged(f"work/{f} of no sense", replaced(f"work/{f}", "[]"), "resume", "run/work")
      for f in ("train.parquet", "folds.npz", "schema.json")),
    *(damaged(f"work/{f} empty", replaced(f"work/{f}", ""), "resume", "run/work")
      for f in ("test.parquet", "folds.npz", "schema.json", "trials/00000.safetensors")),
    damaged("study.db of no study, shown", other_database, "show", "study.db"),
    damaged("result cut off", replaced("result.json", '{"task'), "show", "result.json"),
    damaged("result of no sense", replaced("result.json", "[]"), "show", "result.json"),
    damaged("result without scores", replaced("result.json", "{}"), "show", "result.json"),
    damaged("recipe of a model flipped", replaced("model/recipe.toml", "[network.x]\n"), "recipe",
            "recipe.toml", "x"),
]  # fmt: skip

CASES = [*COMMANDS, *SETTINGS, *FILES, *PREDICT, *DAMAGED]
