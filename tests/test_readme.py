"""What pages show as Python or as a file runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from shrinkage.recipe import Recipe
from shrinkage.space import Space

ROOT = Path(__file__).parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "guide.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


BLOCKS = [*blocks(README, "python"), *blocks(GUIDE, "python")]


def test_there_is_python_on_both_pages() -> None:
    assert len(blocks(README, "python")) >= 2
    assert blocks(GUIDE, "python")


def test_the_files_of_the_guide_are_a_recipe_and_a_space() -> None:
    recipe, space = blocks(GUIDE, "toml")
    assert Recipe.from_toml(recipe).values["network.dropout.rate"] == 0.1
    found = Space.from_toml(space)
    paths = ["network.mlp.width", "update.adam.lr", "network.dropout.rate"]
    assert [dimension.path for dimension in found.dimensions] == ["normalization", *paths]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_the_block_runs(block: str, tmp_path: Path, monkeypatch) -> None:
    X, y = load_wine(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, random_state=0)
    monkeypatch.chdir(tmp_path)
    # A short budget: the test is whether it runs, not how well it searches.
    code = re.sub(r'budget="\w+"', 'budget="20s"', block).replace('"digits"', '"wine"')
    names: dict = {"X_train": X_train, "X_test": X_test, "y_train": y_train}
    exec(compile(code, "a page", "exec"), names)
    if "found" in names:
        assert names["found"].folder.name == "run"
    elif "model" in names:
        assert names["model"].predict_proba(X_test).shape == (len(X_test), 3)
