"""Curves of the winner in the report: those that were kept, and what a mean of them is."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from shrinkage.recipe import Recipe
from shrinkage.report import curves, facts, sections
from shrinkage.report.page import Chart
from shrinkage.rows.minibatch import Minibatch


def charts(folder: Path) -> dict[str, Chart]:
    page = sections.page(facts.read(folder))
    blocks = [b for section in page.sections if section.name == "training" for b in section.blocks]
    return {block.name: block for block in blocks if isinstance(block, Chart)}


def test_the_page_draws_what_the_trial_kept(study: Path) -> None:
    result = json.loads((study / "result.json").read_text())
    found = charts(study)
    own = load_file(study / "work" / "trials" / f"{result['winner']['trial']:05d}.safetensors")
    kept = own["curves"]
    folds, epochs, _ = kept.shape
    assert folds == 3
    assert kept[..., 0].isfinite().all()
    mean = next(t for t in found["training-curves"].figure["data"] if t["name"] == "mean")
    np.testing.assert_allclose(mean["y"], kept[..., 0].mean(0), rtol=1e-4)
    assert mean["x"] == list(range(1, epochs + 1))
    marks = next(t for t in found["training-curves"].figure["data"] if t["name"] == "weights kept")
    np.testing.assert_allclose(marks["x"], own["shares"] * epochs, atol=1)
    for x, y, curve in zip(marks["x"], marks["y"], kept[..., 0].tolist(), strict=True):
        assert y == pytest.approx(curve[round(x) - 1])
    watched = bool(kept[..., 1].isfinite().any())
    assert ("validation-curves" in found) == watched
    assert watched or "was scored only where trials were compared" in (
        (study / "report.md").read_text()
    )


def test_scores_have_the_unit_of_the_metric(regression: Path, tmp_path: Path) -> None:
    """What training maximizes is minus the RMSE; the picture shows the RMSE."""
    folder = tmp_path / "run"
    shutil.copytree(regression, folder)
    winner = json.loads((folder / "result.json").read_text())["winner"]["trial"]
    path = folder / "work" / "trials" / f"{winner:05d}.safetensors"
    tensors = load_file(path)
    tensors["curves"][..., 1] = -70.0
    save_file(tensors, path)
    found = charts(folder)["validation-curves"]
    mean = next(t for t in found.figure["data"] if t["name"] == "mean")
    assert set(mean["y"]) == {70.0}
    assert found.numbers is not None
    assert {row[1] for row in found.numbers.rows} == {"70.0000"}


def test_a_study_without_curves_has_no_section(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    for path in (folder / "work" / "trials").iterdir():
        tensors = load_file(path)
        save_file({n: t for n, t in tensors.items() if n != "curves"}, path)
    page = sections.page(facts.read(folder))
    assert "training" not in [section.name for section in page.sections]
    assert "networks" in [section.name for section in page.sections]


def test_a_mean_ends_where_the_first_fold_does() -> None:
    nan = np.nan
    found = curves.means(np.array([[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, nan, nan], [nan] * 4]))
    np.testing.assert_array_equal(found, [2.0, 3.0, nan, nan])


@pytest.mark.parametrize(("epoch", "value"), [(1.0, 5.0), (2.6, 7.0), (0.0, None), (9.0, None)])
def test_the_value_after_an_epoch(epoch: float, value: float | None) -> None:
    found = curves.at(np.array([5.0, 6.0, 7.0]), epoch)
    assert found == value or (value is None and np.isnan(found))


@pytest.mark.parametrize(("rows", "batch", "epochs"), [(50, 20, 3), (51, 16, 9), (7, 100, 4)])
def test_epochs_behind_a_share_are_those_that_ended_there(
    rows: int, batch: int, epochs: int
) -> None:
    recipe = Recipe(Minibatch(batch_size=batch, epochs=epochs))
    size = min(batch, rows)
    total = math.ceil(epochs * rows / size)
    ends = [math.ceil(epoch * rows / size) for epoch in range(1, epochs + 1)]
    found = facts.epochs_of([end / total for end in ends], rows, recipe)
    assert found == list(range(1, epochs + 1))
