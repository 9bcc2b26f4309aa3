"""Schema: the task, the kind of every column, and what was done about what was noticed.

`infer` finds it on the table to learn from, `infer_like` with an earlier table's columns;
`conform` brings another table (a test file, rows to predict) into the same shape. The rules for
columns stand in `columns`, those for the target in `target`.
"""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import pandas as pd

from shrinkage.data import cells
from shrinkage.data.cells import show, where
from shrinkage.data.columns import Kind, check_finite, column_kind
from shrinkage.data.labels import decode_classes, find_classes, list_labels, no_column
from shrinkage.data.source import Table
from shrinkage.data.target import Target, prepare_target
from shrinkage.errors import BadInput
from shrinkage.wording import count

FEWEST_ROWS = 20


@dataclass(frozen=True)
class Column:
    """One feature column.

    kind: number, category and date are used; identifier, constant and empty are dropped.
    note: what a person should know about it, or "".
    values: of a category, every text that was seen, in order.
    complete: every cell was there; False also where an earlier version did not note it.
    """

    name: str
    kind: Kind
    note: str = ""
    values: tuple[str, ...] = ()
    complete: bool = False

    def of(self, cells: pd.Series) -> "Column":
        """The same, with what these cleaned cells say of values and gaps."""
        words = sorted(cells.dropna().unique()) if self.kind == "category" else ()
        return replace(self, values=tuple(words), complete=bool(cells.notna().all()))


@dataclass(frozen=True)
class Schema:
    """What a table holds.

    columns: the features in file order, dropped ones included.
    classes: labels as in the data (all text, int, bool or float), in order; None for regression.
    notes: one sentence each on what was noticed and what was done about it.
    """

    task: Literal["classification", "regression"]
    target: str
    columns: tuple[Column, ...]
    classes: tuple | None
    notes: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the number columns."""
        return self._of("number")

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the category columns."""
        return self._of("category")

    @property
    def dates(self) -> tuple[str, ...]:
        """Names of the date columns."""
        return self._of("date")

    @property
    def used(self) -> tuple[str, ...]:
        """Names of every column that is not dropped, in file order."""
        return self._of("number", "category", "date")

    def _of(self, *kinds: str) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind in kinds)

    def seen_in(self, rows: pd.DataFrame) -> "Schema":
        """The same, where networks are trained on these cleaned rows and have seen no others."""
        columns = (c.of(rows[c.name]) if c.name in self.used else c for c in self.columns)
        return replace(self, columns=tuple(columns))

    def to_json(self) -> dict[str, Any]:
        """A plain dict that json writes and reads without loss, types of labels included."""
        return {
            "task": self.task,
            "target": self.target,
            "columns": [{**asdict(c), "values": list(c.values)} for c in self.columns],
            "classes": None if self.classes is None else list(self.classes),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """The schema of `to_json`. Raises BadInput when the dict is something else."""
        try:
            return cls(
                task=data["task"],
                target=data["target"],
                columns=tuple(
                    Column(
                        c["name"],
                        c["kind"],
                        c["note"],
                        tuple(c["values"]),
                        c.get("complete", False),
                    )
                    for c in data["columns"]
                ),
                classes=None if data["classes"] is None else tuple(data["classes"]),
                notes=tuple(data["notes"]),
            )
        except (KeyError, TypeError) as error:
            raise BadInput(f"the schema is damaged: {error!r} is missing or wrong.") from None


def infer(
    table: Table,
    target: str,
    task: str = "auto",
    *,
    keep: Collection[str] = (),
    leave: Collection[str] = (),
    min_rows: int = FEWEST_ROWS,
) -> tuple[Schema, pd.DataFrame]:
    """Find the task and the kind of every column.

    target: name of the column to predict.   task: "auto", "classification" or "regression".
    keep: columns that are used even where they look like identifiers.   leave: columns that are
    identifiers whatever they look like.
    min_rows: fewer usable rows are bad input.
    Returns the schema and the cleaned frame: used columns in file order, then the target; rows
    without a usable target are gone, the index is that of the table. Numbers are float64,
    categories text, dates datetime64, missing cells NaN or NaT; the target is float64 or labels.
    Raises BadInput for everything that cannot be learned from.
    """
    frame: Any = table.frame  # of pandas' types, checkers know too many
    chosen, y, rows, classes, notes = _target(table, target, task, min_rows)
    features = frame.drop(columns=target).iloc[rows]
    columns, clean = [], {}
    for name in features.columns:
        kind, note = "identifier", ""
        if name not in leave:
            kind, note = column_kind(features[name], table.name, keep=name in keep)
        column = Column(name, kind, note)
        if kind in ("number", "category", "date"):
            cleaned_column = _as_kind(features[name], kind, table.name)
            clean[name] = cleaned_column.array  # without index: labels may be doubled
            column = column.of(cleaned_column)
        columns.append(column)
    notes += [c.note for c in columns if c.note]
    if not clean:
        raise BadInput(
            f"{table.name}: no usable column beside the target {show(target)}"
            + (f": {_dropped(columns)}." if columns else ".")
            + "\nAdd columns that say something about the target."
        )
    cleaned = pd.DataFrame(clean, index=features.index)
    notes += _missing_note(cleaned)
    cleaned[target] = y.array
    notes += _duplicate_note(cleaned)
    return Schema(chosen, target, tuple(columns), classes, tuple(notes)), cleaned


def infer_like(
    earlier: Schema, table: Table, target: str, task: str = "auto", *, min_rows: int = FEWEST_ROWS
) -> tuple[Schema, pd.DataFrame]:
    """As `infer`, for any target, with the columns of an earlier table and no others.

    Raises BadInput also where a column is missing, where a cell is not of its column's kind, and
    where the target is one of the columns.
    """
    chosen, y, rows, classes, notes = _target(table, target, task, min_rows)
    if target in earlier.used:
        raise BadInput(
            f"{table.name}: the target {show(target)} is a column that the earlier model reads.\n"
            "Choose another target, or start from a model that does not read it."
        )
    columns = tuple(replace(c, note="") for c in earlier.columns if c.name != target)
    schema = Schema(chosen, target, columns, classes, ())
    cleaned, more = conform(schema, Table(table.frame.iloc[rows], table.name))
    notes += [*more, *_missing_note(cleaned)]
    cleaned[target] = y.array
    notes += _duplicate_note(cleaned)
    return replace(schema, notes=tuple(notes)), cleaned


def conform(
    schema: Schema, table: Table, *, need_target: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Bring a table into the schema's shape.

    need_target: the target has to be there too (a test file); rows without it are dropped.
    Returns the used columns in the schema's order, types as from `infer`, then the target if
    needed; and notes on ignored columns, on cells that are missing where none was in training, and
    on unseen categories.
    Raises BadInput when a column is missing, or a cell is not of its column's kind.
    """
    frame: Any = _named_as(schema, table.frame)
    notes: list[str] = []
    wanted = schema.used + ((schema.target,) if need_target else ())
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise BadInput(
            f"{table.name}: {'columns' if len(absent) > 1 else 'column'} missing: "
            f"{list_labels(absent)}.\nThe model was trained with {len(schema.used)} columns: "
            f"{list_labels(schema.used)}."
        )
    known = {c.name for c in schema.columns} | {schema.target}
    extra = [name for name in frame.columns if name not in known]
    if extra:
        notes.append(
            f"{count(len(extra), 'column')} ignored, not seen in training: {list_labels(extra)}."
        )
    y = None
    if need_target:
        present = cells.text(frame[schema.target], map(str, schema.classes or ())).notna()
        if not present.all():
            notes.append(f"{count(int((~present).sum()), 'row')} without a target dropped.")
            frame = frame[present]
        if frame.empty:
            raise BadInput(f"{table.name}: the target {show(schema.target)} has no values.")
        y = _conform_target(schema, frame[schema.target], table.name)
    clean = {}
    for column in schema.columns:
        if column.kind not in ("number", "category", "date"):
            continue
        values = _as_kind(frame[column.name], column.kind, table.name, column.values)
        if column.kind == "category":
            values = _as_spelled(values, column.values)
        clean[column.name] = values.array
        if column.complete and (gaps := int(values.isna().sum())):
            taken = "most frequent one" if column.kind == "category" else "median"
            notes.append(
                f"Column {show(column.name)}: {count(gaps, 'missing cell')}, where training had "
                f"none; taken for the {taken}."
            )
        if column.kind == "category":
            unseen: Any = values[values.notna() & ~values.isin(column.values)]
            if len(unseen):
                notes.append(
                    f"Column {show(column.name)}: {count(len(unseen), 'cell')} with categories "
                    f"not seen in training ({list_labels(list(unseen.unique()), 3)}), treated as "
                    "rare ones, or where there were none as the most frequent."
                )
    result = pd.DataFrame(clean, index=frame.index)
    if y is not None:
        result[schema.target] = y.array
    return result, tuple(notes)


def _target(table: Table, target: str, task: str, min_rows: int) -> Target:
    """What `prepare_target` makes of the target, on enough rows."""
    if target not in table.frame.columns:
        raise no_column(table.name, target, [str(c) for c in table.frame.columns], "the target")
    found = prepare_target(table.frame[target], table.name, task)  # pyright: ignore
    if (usable := len(found.values)) < min_rows:
        raise BadInput(
            f"{table.name}: {usable} usable rows, at least {min_rows} are needed to train and to "
            "test.\nAdd rows."
        )
    return found


def _named_as(schema: Schema, frame: Any) -> Any:
    """Names have no blanks around them; in a schema of an earlier version they may."""
    names = [*(column.name for column in schema.columns), schema.target]
    return frame.rename(columns={name.strip(): name for name in names if name != name.strip()})


def _as_kind(series: pd.Series, kind: str, name: str, known: Collection[str] = ()) -> pd.Series:
    """known: words of a category, whatever else such a spelling means."""
    if kind == "category":
        return cells.text(series, known)
    if kind == "date":
        values, bad = cells.dates(series)
    else:
        found, bad = cells.numbers(series)
        values = pd.Series(found, series.index, name=series.name)
    if bad.any():
        first = int(bad.argmax())
        what = "a date (YYYY-MM-DD)" if kind == "date" else "a number"
        raise BadInput(
            f"{name}: column {show(series.name)}, {where(series, first)}: "
            f"{show(series.iloc[first])} is not {what}, as it was in training.\n"
            "Correct the cell, or leave it empty if the value is not known."
        )
    if kind == "number":
        check_finite(series, values.to_numpy(), name)
    return values


def _as_spelled(words: pd.Series, known: Collection[str]) -> pd.Series:
    """Numbers, and yes and no, as training spelled them, where one word of it is meant.

    1.0 for 1, which a file writes where a column of it has gaps; 7 for 007, which a spreadsheet
    makes of codes; true and 1 for True, where such was all that training saw.
    """
    spelled = {word.lower(): word for word in known}
    binary = bool(spelled) and spelled.keys() <= {"true", "false"} and len(spelled) == len(known)
    codes = any(re.match(cells.LEADING_ZERO, word) for word in known)
    amounts: dict[Decimal, list[str]] = {}
    for word in known:
        amount = Decimal(word.lower() == "true") if binary else _amount(word)
        if amount is not None:
            amounts.setdefault(amount, []).append(word)
    meant = {}
    for word in {*words.dropna().unique()}.difference(known) if amounts else ():
        if binary and word.lower() in spelled:
            meant[word] = spelled[word.lower()]
        elif not codes or _SHORTENED.fullmatch(word):
            found = amounts.get(amount, ()) if (amount := _amount(word)) is not None else ()
            if len(found) == 1:
                meant[word] = found[0]
    return words.replace(meant) if meant else words


_SHORTENED = re.compile(r"(0|[1-9]\d*)(\.0*)?")
"""What is left of a code that was read as a number."""


def _amount(word: str) -> Decimal | None:
    """What a text says as a number, exactly, if it is one."""
    try:
        found = Decimal(word)
    except InvalidOperation:
        return None
    return found if found.is_finite() and "_" not in word else None


def _conform_target(schema: Schema, series: pd.Series, name: str) -> pd.Series:
    if schema.classes is None:
        return _as_kind(series, "number", name)
    codes = find_classes(series, schema.classes)
    if (codes < 0).any():
        first = int((codes < 0).argmax())
        raise BadInput(
            f"{name}: target {show(schema.target)}, {where(series, first)}: unknown class "
            f"{show(series.iloc[first])}.\nKnown classes: {list_labels(schema.classes)}."
        )
    return pd.Series(decode_classes(codes, schema.classes), series.index, name=schema.target)


def _dropped(columns: list[Column]) -> str:
    return ", ".join(f"{show(c.name)} is {c.kind}" for c in columns[:5])


def _missing_note(frame: pd.DataFrame) -> list[str]:
    counts = frame.isna().sum()
    if not counts.any():
        return []
    return [
        f"{count(int(counts.sum()), 'missing cell')} in "
        f"{count(int((counts > 0).sum()), 'column')}: numbers and dates get the median and a "
        "mark, missing text is a category of its own."
    ]


def _duplicate_note(frame: pd.DataFrame) -> list[str]:
    copies = int(frame.duplicated().sum())
    if not copies:
        return []
    return [
        f"{count(copies, 'row')} {'repeats' if copies == 1 else 'repeat'} an earlier row: kept; "
        "copies may sit on both sides of a split and flatter the score."
    ]
