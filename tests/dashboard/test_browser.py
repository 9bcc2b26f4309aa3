"""A run that is watched: real processes, and a real browser that looks on until the end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cli.processes import group, start, wait_for
from shrinkage.wording import number

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="needs shrinkage[browser]")
pytest.importorskip("axe_playwright_python", reason="needs shrinkage[browser]")
pytest.importorskip("uvicorn", reason="needs shrinkage[dashboard]")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]

TRIALS = 24
PATIENCE_S = 120
"""On a machine that is busy; nothing is waited for longer than it takes."""

RECIPE = """
[data.minibatch]
batch_size = 32
epochs = 45

[network.mlp]
width = 16
depth = 1

[update.adam]
lr = 0.01
"""
"""Small, and slow enough to be looked at."""

MARKS = "[data-figure=search] .point"
FITS = """[...document.querySelectorAll("[data-figure] svg.main-svg")].every(
  (svg) => Math.abs(svg.clientWidth - svg.closest(".chart").clientWidth) <= 1)"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[tuple[subprocess.Popen, subprocess.Popen]]:
    """(watch, fit): the one waits until the other begins."""
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(RECIPE)
    watch = start("watch", run, "--no-open", "--wait", 120)
    assert watch.stdout is not None
    assert watch.stdout.readline().startswith("Waiting for a run")
    fit = start("fit", "breast_cancer", "--out", run, "--budget", "10m", "--trials", TRIALS,
                "--cv", 5, "--workers", 0, "--recipe", recipe, "--search", "random")  # fmt: skip
    yield watch, fit
    for process in (watch, fit):
        process.kill()
        process.communicate()


def faults(page: Any) -> list[Any]:
    """What axe-core calls serious. The browser runs it, so the page's policy stands."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document)")
    assert found["passes"]
    return [
        (fault["id"], [node["html"][:120] for node in fault["nodes"]][:3])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def shown(page: Any) -> str:
    return page.inner_text("#answer .answer")


def trials(page: Any) -> int:
    """How many it says there are."""
    found = re.search(r"(\d+) of \d+ trials so far", shown(page))
    return int(found[1]) if found else 0


def test_a_run_is_followed_live(
    processes: tuple[subprocess.Popen, subprocess.Popen], tmp_path: Path
) -> None:
    watch, fit = processes
    assert watch.stdout is not None
    address = watch.stdout.readline().removeprefix("Live: ").strip()
    said: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(1000 * PATIENCE_S)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.evaluate("window.opened = 'once'")

        # Numbers move without a reload, and what a person has unfolded stays so.
        page.wait_for_selector("#answer [data-figure=search] svg.main-svg")
        page.wait_for_selector("[data-figure=work] ~ details")
        page.evaluate("document.querySelector('[data-figure=work] ~ details').open = true")
        page.focus("[data-figure=work] ~ details summary")
        before, left = trials(page), page.inner_text("#left")
        marks = page.locator(MARKS).count()
        assert wait_for(lambda: trials(page) > before, PATIENCE_S)
        assert wait_for(lambda: page.locator(MARKS).count() > marks, PATIENCE_S)
        assert fit.poll() is None, "it goes on"
        assert page.inner_text("#phase").lower() == "searching"
        assert page.inner_text("#left") != left
        assert page.locator("#left").inner_text().endswith("left of 10:00")
        assert page.evaluate("document.querySelector('[data-figure=work] ~ details').open")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert before < trials(page) <= TRIALS
        assert faults(page) == []

        # At the end the same page is the report, and it stands when the server is gone.
        page.wait_for_selector("#live.over")
        result = json.loads((tmp_path / "run" / "result.json").read_text())
        score = number(result["scores"]["winner"]["test"]["accuracy"])
        assert f"accuracy of {score}" in shown(page)
        assert page.locator("#provenance").count() == 1
        assert "has ended" in page.inner_text("#says")
        assert page.evaluate("window.opened") == "once", "it was never loaded again"
        out, err = watch.communicate(timeout=60)
        assert (watch.returncode, err) == (0, "")
        assert f"Its report: {tmp_path / 'run' / 'report.html'}" in out
        assert not group(watch.pid)

        page.set_viewport_size({"width": 1400, "height": 900})
        assert wait_for(lambda: page.evaluate(FITS), PATIENCE_S)
        charts = page.evaluate("Object.keys(JSON.parse(figures.textContent))")
        for chart in charts:
            box = page.locator(f"[data-figure={chart}]")
            assert box.locator(".trace path, .trace .point, .bars path").count() > 0, chart
        assert {"scores", "search", "work"} <= set(charts)
        assert faults(page) == []
        browser.close()
    assert fit.communicate(timeout=60)[1] == ""
    assert said == []
    host = urlsplit(address).netloc
    elsewhere = [url for url in asked if urlsplit(url).netloc != host and url[:5] != "data:"]
    assert elsewhere == []
    assert [urlsplit(url).path for url in asked if url[:5] != "data:"] == ["/", "/events"]
