"""Whatever bytes a file holds, reading ends in a table or in a sentence, never a traceback."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from shrinkage.data.schema import infer
from shrinkage.data.source import read
from shrinkage.errors import BadInput

from .malformed import GOOD, X, Y, arrays, file, frame_file, small_frame

FILES = [
    file("t.csv", GOOD),
    file("t.csv", GOOD.replace("yes", '"y, ""e""\ns"').replace("\n", "\r\n")),
    file("t.tsv", GOOD.replace(",", "\t")),
    file("t.csv.gz", gzip.compress(GOOD.encode(), mtime=0)),
    frame_file("t.parquet", small_frame),
    frame_file("t.feather", small_frame),
    arrays("t.npz", X=X, y=Y),
]


@pytest.mark.parametrize("write", FILES)
# the same bytes in every run: what a C++ reader does with new ones is for a fuzzer to find
@settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(
    write: Callable[[Path], Path], data: st.DataObject, tmp_path: Path
) -> None:
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.sampled_from([0, 1, 1, 4, len(content)]))
        patch = st.binary(max_size=8) | st.sampled_from([b'"', b"\n", b"\r", b",", b"\t", b";"])
        content[start : start + length] = data.draw(patch)
    path.write_bytes(content)
    try:
        table = read(path)
        infer(table, table.target or "y")
    except BadInput as error:
        event(str(error).removeprefix(str(path))[:40])
