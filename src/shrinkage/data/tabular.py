"""From a cleaned frame to the arrays a network reads; fitted on training rows only.

| symbol | meaning |
|---|---|
| n | rows |
| Dn | numbers: number columns, parts of dates, marks of missing cells |
| Dr | ranks: one for each of these but marks, where they are asked for; else 0 |
| Dc | categories, and numbers that are read as such, too |

Numbers. A missing cell gets the median of the training rows, and a mark (0 or 1) in a column of
its own where the training rows had any missing cell. Then one of four scalings:

    robust     z = (x - median) * s,  s = 1 / (q75 - q25), or 2 / (max - min) where the quartiles
               coincide, or 0 for a constant; then z / sqrt(1 + (z / 3)^2), which lies in (-3, 3)
    standard   (x - mean) / standard deviation
    quantile   the normal quantile of x's rank
    ranked     robust, and the quantile beside it, scaled and clipped as robust numbers are: over
               1.349, the distance of a normal's quartiles; 0 for columns of two values or fewer

Robust scaling with smooth clipping: Holzmüller et al. 2024, "Better by Default", section 3.

Dates become numbers: days since 1970, year, month, day of the week (Monday is 0), and the hour
where the training rows hold any time of day.

Categories are compared as text and coded per column: 0 is rare or unseen (fewer than 3 training
rows, or beyond the 254 most frequent), 1 is missing, 2 and up are the others, most frequent
first. So there are at most 256 codes. A network is given no code that it was not trained on: where
no training row was rare, or none was missing, such a cell gets the code of the most frequent text,
as a missing number gets the median.

Number columns that `codes` finds are coded, too: compared in float32, as a network reads them, a
missing cell as the most frequent value, as its number is the median. The least frequent value is
rare where no other is, so that what is rare has always been trained.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from shrinkage.data.schema import Schema
from shrinkage.errors import BadInput

Scaling = Literal["robust", "standard", "quantile", "ranked"]

RARE, ABSENT, FIRST = 0, 1, 2
FEWEST, MOST = 3, 256
_PARTS = ("days", "year", "month", "weekday")

# a scaled number beyond this would overflow float32 when a network squares it
_LIMIT = 1e9
_FORMAT = 3
"""2: ranks, of which a program that knows only 1 would read none; 3: numbers read as categories."""
_QUARTILES_APART = 1.3489795003921634
"""Of a standard normal distribution."""
_TRUSTED = ["shrinkage.data.tabular.RobustClip", "numpy.dtype"]


@dataclass(frozen=True, eq=False)
class Arrays:
    """What a network reads.

    numbers: [n, Dn] float32, finite.   categories: [n, Dc] int32, in 0..cardinality-1.
    ranks: [n, Dr] float32, finite.
    """

    numbers: np.ndarray
    categories: np.ndarray
    ranks: np.ndarray

    def take(self, rows: np.ndarray) -> "Arrays":
        return Arrays(self.numbers[rows], self.categories[rows], self.ranks[rows])


def smooth_clip(z: np.ndarray) -> np.ndarray:
    """z / sqrt(1 + (z / 3)^2): the identity near 0, within (-3, 3) everywhere."""
    z = np.clip(z, -1e100, 1e100)  # beyond, the square is infinite
    return z / np.sqrt(1 + (z / 3) ** 2)


def robust_scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and factor of each column of x [n, D]: see the module's first lines."""
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    span = x.max(axis=0) - x.min(axis=0)
    width = np.where(high > low, high - low, span / 2)
    wide = width >= np.finfo(np.float64).tiny  # below, the reciprocal may be infinite
    return middle, np.divide(1.0, width, out=np.zeros_like(width), where=wide)


class RobustClip(TransformerMixin, BaseEstimator):
    """`robust_scale` and `smooth_clip` as a scikit-learn transformer."""

    def fit(self, X: Any, y: Any = None) -> "RobustClip":
        self.median_, self.factor_ = robust_scale(np.asarray(X, dtype=np.float64))
        return self

    def transform(self, X: Any) -> np.ndarray:
        return smooth_clip((np.asarray(X, dtype=np.float64) - self.median_) * self.factor_)


@dataclass(frozen=True, eq=False)
class Preparer:
    """Everything fitted on the training rows, and the schema they came with.

    Made by `fit` or `load`, not by hand.
    values: imputer and scaler of the numbers, None where there are none.
    marks: finds missing cells, None where the training rows had none.
    vocabulary: per category column and column of `coded`, the texts of the codes 2, 3, ...
    others: per category column, the codes of texts that are rare, and of missing ones.
    coded: number columns that are read as categories, too; their words stand behind the others.
    timed: date columns that have an hour.   varies: [Dn without marks], 0 for constants.
    ranks: imputer and quantiles, where the scaling has ranks.   ranked: [Dr], 0 where they are
    nothing new.
    """

    schema: Schema
    scaling: Scaling
    values: Pipeline | None
    marks: MissingIndicator | None
    varies: np.ndarray
    vocabulary: tuple[tuple[str, ...], ...]
    timed: tuple[str, ...]
    ranks: Pipeline | None = None
    ranked: np.ndarray | None = None
    coded: tuple[str, ...] = ()
    others: tuple[tuple[int, int], ...] = ()

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        schema: Schema,
        scaling: Scaling = "robust",
        timed: tuple[str, ...] | None = None,
        coded: tuple[str, ...] = (),
    ) -> "Preparer":
        """Fit on the rows of a frame from `infer` or `conform`, and on nothing else.

        timed: date columns that have an hour; None: those of which some row here is not midnight.
        coded: number columns to be read as categories, too.
        """
        if scaling not in get_args(Scaling):
            *names, last = get_args(Scaling)
            raise BadInput(f"scaling: expected {', '.join(names)} or {last}, got {scaling!r}.")
        timed = with_time(frame, schema) if timed is None else timed
        raw = _numbers(frame, schema, timed)
        values = marks = ranks = ranked = None
        varies = np.zeros(raw.shape[1])
        if raw.shape[1]:
            # fitted apart from the pipelines: medians are most of the work on large tables
            imputer = SimpleImputer(strategy="median", keep_empty_features=True)
            filled = imputer.fit_transform(raw)
            values = _after(imputer, _scaler(scaling, len(raw)).fit(filled))
            varies = (filled.max(axis=0) > filled.min(axis=0)).astype(np.float64)
            if scaling == "ranked":
                ranks = _after(imputer, _scaler("quantile", len(raw)).fit(filled))
                ranked = np.array([float(len(np.unique(x)) > 2) for x in filled.T])
            marked = raw[:, _first_parts(schema, timed)]
            if np.isnan(marked).any():
                marks = MissingIndicator(features="missing-only", error_on_new=False).fit(marked)
        words = [_vocabulary(frame[name]) for name in schema.categories]
        others = tuple(_others(frame[n], w) for n, w in zip(schema.categories, words, strict=True))
        words += [_amounts(frame[name]) for name in coded]
        known = tuple(words)
        return cls(
            schema, scaling, values, marks, varies, known, timed, ranks, ranked, coded, others
        )

    def transform(self, frame: pd.DataFrame) -> Arrays:
        """The arrays of a frame from `infer` or `conform`; each row depends on itself only."""
        raw = _numbers(frame, self.schema, self.timed)
        parts = []
        if self.values is not None and len(raw):
            parts.append(np.clip(self.values.transform(raw) * self.varies, -_LIMIT, _LIMIT))
            if self.marks is not None:
                parts.append(self.marks.transform(raw[:, _first_parts(self.schema, self.timed)]))
        width = len(self.number_names)
        numbers = np.hstack(parts) if parts else np.zeros((len(frame), width))
        texts = self.schema.categories
        # Files of earlier versions say nothing of the others.
        others = self.others or [(RARE, ABSENT)] * len(texts)
        each = zip(texts, self.vocabulary, others, strict=False)
        codes = [_codes(frame[name], words, *its) for name, words, its in each]
        amounts = zip(self.coded, self.vocabulary[len(texts) :], strict=True)
        codes += [_codes_of_amounts(frame[name], words) for name, words in amounts]
        categories = np.stack(codes, axis=1) if codes else np.zeros((len(frame), 0))
        return Arrays(
            np.ascontiguousarray(numbers, dtype=np.float32),
            np.ascontiguousarray(categories, dtype=np.int32),
            np.ascontiguousarray(self._ranks(raw), dtype=np.float32),
        )

    def _ranks(self, raw: np.ndarray) -> np.ndarray:
        """[n, Dr]"""
        if self.ranks is None or not len(raw):
            return np.zeros((len(raw), self.places if self.ranks is not None else 0))
        return smooth_clip(self.ranks.transform(raw) / _QUARTILES_APART) * self.ranked

    @property
    def places(self) -> int:
        """How many numbers there are without marks: so many ranks a recipe may ask for."""
        return len(self.varies)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each category column, rare and missing included."""
        return tuple(FIRST + len(words) for words in self.vocabulary)

    @property
    def number_names(self) -> tuple[str, ...]:
        """Names of the columns of `Arrays.numbers`."""
        names = _number_names(self.schema, self.timed)
        if self.marks is None:
            return tuple(names)
        marked = self.schema.numbers + self.schema.dates
        return (*names, *(f"{marked[i]} (missing)" for i in self.marks.features_))

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of which cell of a row each column of `numbers`, `ranks` and `categories` tells.

        Cells are counted through number columns, dates, categories. A number is one with its
        mark, its rank and its code; a date with all its parts.
        """
        schema = self.schema
        place = {n: i for i, n in enumerate(schema.numbers + schema.dates + schema.categories)}
        parts = [1] * len(schema.numbers) + [len(_PARTS) + (n in self.timed) for n in schema.dates]
        numbers = np.repeat(np.arange(len(parts)), parts)
        ranks = numbers if self.ranks is not None else numbers[:0]
        marked = numbers[:0] if self.marks is None else self.marks.features_
        codes = [place[name] for name in (*schema.categories, *self.coded)]
        return np.concatenate([numbers, marked]), ranks, np.array(codes, np.int64)

    def save(self, path: Path) -> None:
        """Write one file (skops, no pickle)."""
        import skops.io

        skops.io.dump(
            {
                "format": _FORMAT,
                "schema": self.schema.to_json(),
                "scaling": self.scaling,
                "values": self.values,
                "marks": self.marks,
                "varies": self.varies,
                "vocabulary": [list(words) for words in self.vocabulary],
                "timed": list(self.timed),
                "ranks": self.ranks,
                "ranked": self.ranked,
                "coded": list(self.coded),
                "others": [list(codes) for codes in self.others],
            },
            path,
        )

    @classmethod
    def load(cls, path: Path) -> "Preparer":
        """Read what `save` wrote. Raises BadInput when the file is missing or damaged."""
        import skops.io

        try:
            data = skops.io.loads(Path(path).read_bytes(), trusted=_TRUSTED)
            if data["format"] > _FORMAT:
                raise BadInput(
                    f"{path}: written by a newer version (format {data['format']}, this one "
                    f"reads up to {_FORMAT}).\nUpgrade shrinkage."
                )
            return cls(
                schema=Schema.from_json(data["schema"]),
                scaling=data["scaling"],
                values=data["values"],
                marks=data["marks"],
                varies=data["varies"],
                vocabulary=tuple(tuple(words) for words in data["vocabulary"]),
                timed=tuple(data["timed"]),
                ranks=data.get("ranks"),
                ranked=data.get("ranked"),
                coded=tuple(data.get("coded", ())),
                others=tuple((rare, absent) for rare, absent in data.get("others", ())),
            )
        except BadInput:
            raise
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file; the model folder is not complete.") from None
        except Exception as error:  # a damaged archive fails in as many ways as it has bytes
            raise BadInput(
                f"{path}: damaged, or not written by shrinkage ({type(error).__name__}).\n"
                "Copy the model folder again, or fit again."
            ) from None


def width(frame: pd.DataFrame, schema: Schema, timed: tuple[str, ...]) -> int:
    """Dn, marks included, of a preparer that is fitted on this frame."""
    raw = _numbers(frame, schema, timed)
    gaps = np.isnan(raw[:, _first_parts(schema, timed)]).any(axis=0)
    return raw.shape[1] + int(gaps.sum())


def _after(imputer: SimpleImputer, scaler: Any) -> Pipeline:
    """Both fitted already."""
    return Pipeline([("impute", imputer), ("scale", scaler)])


def _scaler(scaling: str, n_rows: int) -> Any:
    if scaling in ("robust", "ranked"):
        return RobustClip()
    if scaling == "standard":
        return StandardScaler()
    return QuantileTransformer(
        n_quantiles=min(1000, n_rows), output_distribution="normal", random_state=0
    )


def _numbers(frame: pd.DataFrame, schema: Schema, timed: tuple[str, ...]) -> np.ndarray:
    """Number columns, then parts of dates: [n, Dn without marks] float64, missing is NaN."""
    columns = [frame[name].to_numpy(np.float64) for name in schema.numbers]
    for name in schema.dates:
        when = frame[name].dt
        parts = [when.year, when.month, when.day_of_week]
        if name in timed:
            parts.append(when.hour + when.minute / 60)
        columns += [days(frame[name]), *(part.to_numpy(np.float64) for part in parts)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0))


def days(dates: pd.Series) -> np.ndarray:
    """Days since 1970 [n], NaN where missing; of all years, which nanoseconds do not reach."""
    found = dates.to_numpy("datetime64[us]")
    return np.where(np.isnat(found), np.nan, found.astype(np.int64) / 86_400e6)


def _number_names(schema: Schema, timed: tuple[str, ...]) -> list[str]:
    names = list(schema.numbers)
    for name in schema.dates:
        parts = [*_PARTS, "hour"] if name in timed else _PARTS
        names += [f"{name} ({part})" for part in parts]
    return names


def _first_parts(schema: Schema, timed: tuple[str, ...]) -> list[int]:
    """Places that get a mark: a date is missing as a whole, so one part stands for all."""
    places = list(range(len(schema.numbers)))
    start = len(places)
    for name in schema.dates:
        places.append(start)
        start += len(_PARTS) + (name in timed)
    return places


def with_time(frame: pd.DataFrame, schema: Schema) -> tuple[str, ...]:
    """The date columns of which some row is not midnight."""
    present = {name: frame[name].dropna() for name in schema.dates}
    return tuple(n for n, dates in present.items() if (dates.dt.normalize() != dates).any())


def _vocabulary(series: Any) -> tuple[str, ...]:
    counts = series.value_counts()
    frequent = counts[counts >= FEWEST]
    # by count, then by value, so that the order of the rows does not matter
    ordered = sorted(frequent.items(), key=lambda item: (-item[1], item[0]))
    return tuple(str(word) for word, _ in ordered[: MOST - FIRST])


def _others(series: Any, words: tuple[str, ...]) -> tuple[int, int]:
    """The codes of rare and of missing texts that these rows train."""
    instead = FIRST if words else RARE
    rare = RARE if series.nunique() > len(words) else instead
    return rare, ABSENT if series.isna().any() else instead


def _codes(series: Any, words: tuple[str, ...], rare: int, absent: int) -> np.ndarray:
    places = pd.Index(words, dtype="str").get_indexer(pd.Index(series, dtype="str"))
    codes = np.where(places >= 0, places + FIRST, rare)
    return np.where(series.isna(), absent, codes)


def _amounts(series: pd.Series) -> tuple[str, ...]:
    amounts = _as_read(series).dropna()
    words = _vocabulary(amounts)
    return words[:-1] if amounts.isin([float(word) for word in words]).all() else words


def _codes_of_amounts(series: pd.Series, words: tuple[str, ...]) -> np.ndarray:
    amounts = _as_read(series)
    places = pd.Index([float(word) for word in words], dtype=np.float64).get_indexer(amounts)
    codes = np.where(places >= 0, places + FIRST, RARE)
    return np.where(amounts.isna(), FIRST if words else RARE, codes)


def _as_read(series: pd.Series) -> pd.Series:
    """As float32 tells them apart, whatever file or arithmetic they come from."""
    return series.astype(np.float32).astype(np.float64)
