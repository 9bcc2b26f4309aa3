"""The Python of the README runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def test_there_is_python_in_the_readme() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_the_block_runs(block: str, tmp_path: Path, monkeypatch) -> None:
    X, y = load_wine(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, random_state=0)
    monkeypatch.chdir(tmp_path)
    # A short budget: the test is whether it runs, not how well it searches.
    code = re.sub(r'budget="\w+"', 'budget="20s"', block)
    names: dict = {"X_train": X_train, "X_test": X_test, "y_train": y_train}
    exec(compile(code, str(README), "exec"), names)
    if "model" in names:
        assert names["model"].predict_proba(X_test).shape == (len(X_test), 3)
