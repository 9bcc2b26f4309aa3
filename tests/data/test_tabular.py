"""Arrays: scikit-learn's numbers, nothing from outside the training rows, nothing lost on disk."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from shrinkage.data.schema import Column, Schema, infer
from shrinkage.data.source import read
from shrinkage.data.tabular import Preparer, days, robust_scale, smooth_clip
from shrinkage.errors import BadInput

from .shared import FOLDER, need_tables

SCALINGS = ["robust", "standard", "quantile", "ranked"]


def mixed(n: int = 200, seed: int = 0) -> pd.DataFrame:
    """A table with every kind of column, and gaps in each."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "gappy": np.where(rng.random(n) < 0.2, np.nan, rng.normal(5, 3, n)),
            "zeros": np.where(rng.random(n) < 0.8, 0.0, rng.integers(1, 9, n)),
            "c": rng.choice(["u", "v", "w", "rare1", "rare2"], n, p=[0.5, 0.3, 0.18, 0.01, 0.01]),
            "flag": rng.random(n) < 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "time": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 10**6, n), unit="s"),
            "y": rng.choice(["no", "yes"], n),
        }
    )
    frame.loc[frame.index[::17], "c"] = None
    frame.loc[frame.index[::23], "day"] = pd.NaT
    return frame


def fitted(scaling: Any = "robust") -> tuple[Preparer, pd.DataFrame]:
    schema, frame = infer(read(mixed()), "y")
    return Preparer.fit(frame[:150], schema, scaling), frame


def numbers_only(values: np.ndarray) -> tuple[Schema, pd.DataFrame]:
    names = [f"x{i}" for i in range(values.shape[1])]
    columns = tuple(Column(name, "number") for name in names)
    return Schema("regression", "y", columns, None, ()), pd.DataFrame(values, columns=names)


def categories_only(words: list) -> tuple[Schema, pd.DataFrame]:
    schema = Schema("regression", "y", (Column("c", "category"),), None, ())
    return schema, pd.DataFrame({"c": pd.Series(words, dtype="str")})


@pytest.mark.parametrize("scaling", SCALINGS)
def test_shapes_names_and_types(scaling: str) -> None:
    preparer, frame = fitted(scaling)
    arrays = preparer.transform(frame)
    assert preparer.number_names == (
        "x", "gappy", "zeros",
        "day (days)", "day (year)", "day (month)", "day (weekday)",
        "time (days)", "time (year)", "time (month)", "time (weekday)", "time (hour)",
        "gappy (missing)", "day (missing)",
    )  # fmt: skip
    assert arrays.numbers.shape == (200, len(preparer.number_names))
    assert arrays.numbers.dtype == np.float32
    assert arrays.categories.shape == (200, 2)
    assert arrays.categories.dtype == np.int32
    assert np.isfinite(arrays.numbers).all()
    assert (arrays.categories >= 0).all()
    assert (arrays.categories < np.array(preparer.cardinalities)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_nothing_is_fitted_outside_the_training_rows(scaling: Any) -> None:
    schema, frame = infer(read(mixed()), "y")
    other = frame.copy()
    other.iloc[150:] = infer(read(mixed(seed=1)), "y")[1].iloc[150:].to_numpy()
    other = other.astype(frame.dtypes)
    assert not other.equals(frame)
    rows = frame[:150]
    a = Preparer.fit(rows, schema, scaling)
    b = Preparer.fit(other[:150], schema, scaling)
    assert (a.vocabulary, a.timed, a.number_names) == (b.vocabulary, b.timed, b.number_names)
    np.testing.assert_array_equal(a.transform(rows).numbers, b.transform(rows).numbers)
    np.testing.assert_array_equal(a.transform(rows).ranks, b.transform(rows).ranks)
    # and it is fitted on them: other training rows give other numbers
    c = Preparer.fit(frame[50:], schema, scaling)
    assert not np.array_equal(a.transform(rows).numbers, c.transform(rows).numbers)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_row_depends_on_itself_only(scaling: str) -> None:
    preparer, frame = fitted(scaling)
    whole = preparer.transform(frame)
    for i in (0, 17, 23, 199):
        alone = preparer.transform(frame.iloc[[i]])
        np.testing.assert_array_equal(alone.numbers[0], whole.numbers[i])
        np.testing.assert_array_equal(alone.ranks[0], whole.ranks[i])
        np.testing.assert_array_equal(alone.categories[0], whole.categories[i])


@dataclass(frozen=True)
class Scaler:
    """A scaling, and scikit-learn's way to the same numbers."""

    scaling: Any
    reference: Any
    clipped: bool = False

    def __str__(self) -> str:
        return self.scaling


SCALERS = [
    Scaler("robust", RobustScaler(), clipped=True),
    Scaler("standard", StandardScaler()),
    Scaler("quantile", QuantileTransformer(n_quantiles=80, output_distribution="normal")),
    Scaler("ranked", RobustScaler(), clipped=True),
]


@pytest.mark.parametrize("case", SCALERS, ids=str)
def test_numbers_are_those_of_scikit_learn(case: Scaler) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_t(2, (100, 4)) * [1, 10, 1e-3, 1e6]
    schema, frame = numbers_only(values)
    preparer = Preparer.fit(frame[:80], schema, case.scaling)
    expected = case.reference.fit(values[:80]).transform(values)
    if case.clipped:
        expected = expected / np.sqrt(1 + (expected / 3) ** 2)
    np.testing.assert_allclose(preparer.transform(frame).numbers, expected, rtol=1e-5, atol=1e-6)


def test_ranks_are_the_quantiles_scaled_as_robust_numbers_are() -> None:
    """A normal column comes out as robust scaling leaves it; two values have no rank."""
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.standard_t(2, 100), rng.integers(0, 2, 100), np.full(100, 3.0)])
    schema, frame = numbers_only(values)
    preparer = Preparer.fit(frame[:80], schema, "ranked")
    ranks = preparer.transform(frame).ranks
    assert ranks.shape == (100, preparer.places) == (100, 3)
    quantile = QuantileTransformer(n_quantiles=80, output_distribution="normal")
    normal = quantile.fit(values[:80, :1]).transform(values[:, :1])
    # The quartiles of a normal distribution, as robust scaling would find them in many rows.
    expected = normal / (2 * scipy.stats.norm.ppf(0.75))
    np.testing.assert_allclose(ranks[:, 0], (expected / np.sqrt(1 + (expected / 3) ** 2))[:, 0],
                               rtol=1e-5, atol=1e-6)  # fmt: skip
    np.testing.assert_array_equal(ranks[:, 1:], 0)
    assert (np.abs(ranks) < 3).all()
    for scaling in SCALINGS[:3]:
        assert Preparer.fit(frame[:80], schema, scaling).transform(frame).ranks.shape == (100, 0)
    assert preparer.transform(frame[:0]).ranks.shape == (0, 3)


def test_robust_scaling_of_narrow_columns() -> None:
    narrow = np.array([[0.0, 3.0]] * 9 + [[4.0, 3.0]])
    middle, factor = robust_scale(narrow)
    np.testing.assert_array_equal(middle, [0, 3])
    np.testing.assert_array_equal(factor, [2 / 4, 0])


@given(hnp.arrays(np.float64, 5, elements=st.floats(allow_nan=False)))
def test_smooth_clipping_is_bounded_odd_and_rising(z: np.ndarray) -> None:
    clipped = smooth_clip(z)
    assert (np.abs(clipped) <= 3).all()
    np.testing.assert_array_equal(smooth_clip(-z), -clipped)
    assert (np.diff(smooth_clip(np.sort(z))) >= 0).all()
    assert smooth_clip(np.array(0.001)) == pytest.approx(0.001, rel=1e-6)


@settings(deadline=None)
@given(
    values=hnp.arrays(np.float64, (12, 2), elements=st.floats(-1e30, 1e30) | st.just(np.nan)),
    new=hnp.arrays(np.float64, (3, 2), elements=st.floats(-1e30, 1e30) | st.just(np.nan)),
    scaling=st.sampled_from(SCALINGS),
)
def test_any_numbers_become_finite_float32(
    values: np.ndarray, new: np.ndarray, scaling: Any
) -> None:
    schema, frame = numbers_only(values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        preparer = Preparer.fit(frame, schema, scaling)
        prepared = preparer.transform(numbers_only(new)[1])
    numbers = np.hstack([prepared.numbers, prepared.ranks])
    assert np.isfinite(numbers).all()
    assert np.isfinite(numbers**2).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_missing_numbers_get_the_median_and_a_mark(scaling: Any) -> None:
    schema, frame = numbers_only(np.array([[1.0, 1], [2, 2], [np.nan, 4], [9, 7], [3, 5]]))
    preparer = Preparer.fit(frame, schema, scaling)
    assert preparer.number_names == ("x0", "x1", "x0 (missing)")
    new = preparer.transform(numbers_only(np.array([[np.nan, np.nan], [2.5, 4.0]]))[1]).numbers
    np.testing.assert_array_equal(new[0, :2], new[1, :2])
    np.testing.assert_array_equal(new[:, 2], [1, 0])


def test_categories_are_coded_by_frequency() -> None:
    schema, frame = categories_only(["v"] * 5 + ["u"] * 5 + ["w"] * 3 + ["r"] * 2 + [None] * 4)
    preparer = Preparer.fit(frame, schema)
    assert preparer.vocabulary == (("u", "v", "w"),)
    assert preparer.cardinalities == (5,)
    new = categories_only(["u", "v", "w", "r", "never seen", None, ""])[1]
    np.testing.assert_array_equal(preparer.transform(new).categories[:, 0], [2, 3, 4, 0, 0, 1, 0])
    shuffled = frame.sample(frac=1, random_state=0)
    assert Preparer.fit(shuffled, schema).vocabulary == preparer.vocabulary


GAPS = [
    (["v"] * 5 + ["u"] * 4 + ["r"] + [None], [0, 1]),
    (["v"] * 5 + ["u"] * 4 + [None], [2, 1]),
    (["v"] * 5 + ["u"] * 4 + ["r"], [0, 2]),
    (["v"] * 5 + ["u"] * 4, [2, 2]),
    (["r", "s", "t"], [0, 0]),
]


@pytest.mark.parametrize(("trained", "codes"), GAPS, ids=str)
def test_no_code_is_given_that_was_not_trained(
    trained: list, codes: list[int], tmp_path: Path
) -> None:
    schema, frame = categories_only(trained)
    preparer = Preparer.fit(frame, schema)
    new = categories_only(["never seen", None])[1]
    assert preparer.transform(new).categories[:, 0].tolist() == codes
    assert {*codes} <= {*preparer.transform(frame).categories[:, 0].tolist()}
    preparer.save(tmp_path / "p")
    assert Preparer.load(tmp_path / "p").transform(new).categories[:, 0].tolist() == codes
    # What an earlier version wrote says nothing of them.
    earlier = replace(preparer, others=())
    assert earlier.transform(new).categories[:, 0].tolist() == [0, 1]


def test_categories_are_at_most_256_codes() -> None:
    words = [f"k{i}" for i in range(400) for _ in range(3 + i % 5)]
    preparer = Preparer.fit(*reversed(categories_only(words)))
    assert preparer.cardinalities == (256,)


def test_numbers_that_are_read_as_categories_too(tmp_path: Path) -> None:
    """As float32 tells them apart; a missing cell as the most frequent value."""
    sums = [0.0] * 6 + [15024.1] * 3 + [99999.0, np.nan]
    schema, frame = numbers_only(np.array([[*range(11)], sums]).T)
    preparer = Preparer.fit(frame, schema, coded=("x1",))
    assert preparer.cardinalities == (4,)
    others = frame.assign(x1=[-0.0, *sums[1:9], float(np.float32(15024.1)), 7.0])
    assert preparer.transform(others).categories[:, 0].tolist() == [2] * 6 + [3] * 4 + [0]
    preparer.save(tmp_path / "p")
    again = Preparer.load(tmp_path / "p").transform(others)
    np.testing.assert_array_equal(again.categories, preparer.transform(others).categories)
    arrays = preparer.transform(frame)
    assert arrays.categories[-2:, 0].tolist() == [0, 2]
    np.testing.assert_array_equal(
        arrays.numbers, Preparer.fit(frame, schema).transform(frame).numbers
    )


def test_what_is_rare_among_numbers_has_been_trained() -> None:
    """Where each value has three rows or more, the least frequent one is what is rare."""
    schema, frame = numbers_only(np.array([[0.0] * 6 + [3.0] * 3 + [5.0] * 4]).T)
    preparer = Preparer.fit(frame, schema, coded=("x0",))
    assert preparer.vocabulary == (("0.0", "5.0"),)
    assert preparer.transform(frame).categories[:, 0].tolist() == [2] * 6 + [0] * 3 + [3] * 4
    schema, frame = numbers_only(np.array([[1.0, 2.0, 3.0, np.nan]]).T)
    preparer = Preparer.fit(frame, schema, coded=("x0",))
    assert preparer.transform(frame).categories[:, 0].tolist() == [0] * 4, "a fold may have none"


def test_dates_become_their_parts() -> None:
    schema = Schema("regression", "y", (Column("d", "date"),), None, ())
    days = pd.to_datetime(["2024-02-29 06:30", "1970-01-01", "2000-12-31 23:00"], format="ISO8601")
    preparer = Preparer.fit(pd.DataFrame({"d": days}), schema, "standard")
    assert preparer.values is not None
    back = preparer.values["scale"].inverse_transform(
        preparer.transform(pd.DataFrame({"d": days})).numbers.astype(float)
    )
    expected = [
        [19782 + 6.5 / 24, 2024, 2, 3, 6.5],
        [0, 1970, 1, 3, 0],
        [11322 + 23 / 24, 2000, 12, 6, 23],
    ]
    np.testing.assert_allclose(back, expected, atol=0.01)


@pytest.mark.parametrize("scaling", ["robust", "ranked"])
def test_columns_of_a_cell_are_those_that_change_with_it(scaling: Any) -> None:
    """Another row's cell, or a missing one, in every row: what tells of it moves, nothing else."""
    table, start = mixed(), pd.Timestamp("2024-01-01")
    years = table.assign(time=start + 97 * (table["time"] - start))  # not of one month
    schema, frame = infer(read(years), "y")
    preparer = Preparer.fit(frame, schema, scaling, coded=("zeros",))
    names = schema.numbers + schema.dates + schema.categories
    assert set(names) == {"x", "gappy", "zeros", "c", "flag", "day", "time"}

    def columns(of: pd.DataFrame) -> list[np.ndarray]:
        arrays = preparer.transform(of)
        return [arrays.numbers, arrays.ranks, arrays.categories]

    before, cells = columns(frame), preparer.cells
    for place, name in enumerate(names):
        moved = [np.zeros(x.shape[1], bool) for x in before]
        shifted = frame[name].to_numpy(copy=True)[np.roll(np.arange(len(frame)), 7)]
        for other in (
            pd.Series(shifted, frame.index, frame[name].dtype),
            frame[name].mask(frame.index >= 0),
        ):
            after = columns(frame.assign(**{name: other}))
            moved = [m | (a != b).any(0) for m, a, b in zip(moved, after, before, strict=True)]
        for found, each in zip(moved, cells, strict=True):
            np.testing.assert_array_equal(found, each == place, err_msg=name)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_dates_of_all_years_become_numbers(scaling: str) -> None:
    """Nanoseconds reach from 1678 to 2262; files say 9999-12-31 for "never"."""
    schema = Schema("regression", "y", (Column("d", "date"),), None, ())
    texts = ["0001-01-01", "2024-02-29", "2024-03-01", None, "9999-12-31"]
    frame = pd.DataFrame({"d": np.array(texts, dtype="datetime64[us]")})
    np.testing.assert_array_equal(days(frame["d"]), [-719162, 19782, 19783, np.nan, 2932896])
    prepared = Preparer.fit(frame, schema, scaling).transform(frame)
    assert np.isfinite(prepared.numbers).all()
    day = prepared.numbers[:, 0]
    assert day[0] < day[1] <= day[2] < day[4]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_spread_without_a_reciprocal_is_none(scaling: str) -> None:
    values = np.zeros((12, 2))
    values[0], values[1:7, 1] = 1e-310, 5e-310
    schema, frame = numbers_only(values)
    prepared = Preparer.fit(frame, schema, scaling).transform(frame)
    assert np.isfinite(prepared.numbers).all()
    assert np.isfinite(prepared.ranks).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_what_is_saved_comes_back_bit_by_bit(scaling: str, tmp_path: Path) -> None:
    preparer, frame = fitted(scaling)
    preparer.save(tmp_path / "p.skops")
    back = Preparer.load(tmp_path / "p.skops")
    assert back.schema == preparer.schema
    assert (back.number_names, back.cardinalities) == (
        preparer.number_names,
        preparer.cardinalities,
    )
    a, b = preparer.transform(frame), back.transform(frame)
    assert a.numbers.tobytes() == b.numbers.tobytes()
    assert a.categories.tobytes() == b.categories.tobytes()


def test_tables_of_one_kind_and_of_no_rows(tmp_path: Path) -> None:
    for schema, frame in [
        numbers_only(np.arange(40.0).reshape(20, 2)),
        categories_only(["u", "v"] * 10),
    ]:
        preparer = Preparer.fit(frame, schema)
        preparer.save(tmp_path / "p.skops")
        arrays = Preparer.load(tmp_path / "p.skops").transform(frame)
        assert arrays.numbers.shape == (20, len(schema.numbers))
        assert arrays.categories.shape == (20, len(schema.categories))
        none = preparer.transform(frame[:0])
        assert none.numbers.shape == (0, len(schema.numbers))
        assert none.categories.shape == (0, len(schema.categories))


def test_damaged_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.skops"
    with pytest.raises(BadInput, match="no such file"):
        Preparer.load(path)
    fitted()[0].save(path)
    data = path.read_bytes()
    damaged = [b"", b"PK", data[: len(data) // 2], data[: len(data) // 3] + bytes(300)]
    foreign = [skops.io.dumps({"a": 1}), skops.io.dumps([1]), skops.io.dumps(Path("x"))]
    for content in damaged + foreign:
        path.write_bytes(content)
        with pytest.raises(BadInput, match="damaged, or not written"):
            Preparer.load(path)
    path.write_bytes(skops.io.dumps({"format": 99}))
    with pytest.raises(BadInput, match="newer version"):
        Preparer.load(path)


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(BadInput, match="robust, standard, quantile or ranked, got 'minmax'"):
        fitted("minmax")


@need_tables
@pytest.mark.parametrize("name", ["adult", "anneal", "california"])
def test_real_tables_become_arrays(name: str) -> None:
    schema, frame = infer(read(FOLDER / f"{name}.csv.gz"), "target")
    preparer = Preparer.fit(frame, schema)
    arrays = preparer.transform(frame)
    assert np.isfinite(arrays.numbers).all()
    assert (np.abs(arrays.numbers) <= 3).all()
    values = arrays.numbers[:, : len(schema.numbers)]
    assert (np.abs(np.median(values, axis=0)) < 1e-6).all()
    assert (arrays.categories.max(axis=0, initial=0) < np.array(preparer.cardinalities)).all()
