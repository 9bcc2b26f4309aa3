"""Every malformed input is named in at most three lines, and nothing else escapes."""

from pathlib import Path

import pytest

from shrinkage.data.schema import infer
from shrinkage.data.source import read
from shrinkage.errors import BadInput

from .malformed import CASES, GOOD, Malformed, file


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 45
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_good_table_is_good(tmp_path: Path) -> None:
    schema, frame = infer(read(file("t.csv", GOOD)(tmp_path)), "y")
    assert schema.numbers == ("a", "b")
    assert len(frame) == 60


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_malformed_input_is_named(case: Malformed, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    with pytest.raises(BadInput) as caught:
        infer(read(path), case.target, case.task)
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    assert max(len(line) for line in message.replace(str(tmp_path), "").splitlines()) <= 160
    for words in case.expects:
        assert words in message
    assert not case.names_file or path.name in message
