"""Class labels: codes and back, and labels that agree across kinds of files."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.data.labels import decode_classes, encode_classes
from shrinkage.errors import BadInput

kinds = st.one_of(
    st.lists(st.integers(-(2**53), 2**53), min_size=2, unique=True),
    st.lists(st.text("abcé 1", min_size=1).map(lambda s: f"x{s}x"), min_size=2, unique=True),
    st.lists(st.floats(-1e6, 1e6).map(lambda v: float(round(v))), min_size=2, unique=True),
    st.just([False, True]),
)


@given(classes=kinds, data=st.data())
def test_codes_and_back(classes: list, data: st.DataObject) -> None:
    classes = sorted(classes)
    codes = np.array(data.draw(st.lists(st.integers(0, len(classes) - 1), max_size=20)), dtype=int)
    labels = decode_classes(codes, classes)
    back = encode_classes(labels, classes)
    assert back.dtype == np.int64
    np.testing.assert_array_equal(back, codes)
    assert type(classes[0]) is type(decode_classes([0], classes)[0].item())


AGREE = [
    ((0, 1), ["0", "1"]),
    ((0, 1), [0.0, 1.0]),
    ((0, 1), ["0.0", " 1"]),
    ((0, 1), pd.Categorical([0, 1])),
    ((0.0, 1.0), [0, 1]),
    (("0", "1"), [0, 1]),
    (("0", "1"), [0.0, 1.0]),
    ((False, True), ["False", "True"]),
    (("False", "True"), [False, True]),
]


@pytest.mark.parametrize(("classes", "written"), AGREE)
def test_labels_agree_across_files(classes: tuple, written: list) -> None:
    np.testing.assert_array_equal(encode_classes(written, classes), [0, 1])


@pytest.mark.parametrize("label", ["w", None, np.nan, 1])
def test_an_unknown_label_is_refused(label: object) -> None:
    with pytest.raises(BadInput, match="Known classes: 'u', 'v'"):
        encode_classes(pd.Series(["u", label], dtype=object), ("u", "v"))
