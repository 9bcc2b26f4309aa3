"""The report in a real browser: Debian's chromium, driven by Playwright; axe-core from its package.

Where one of them is missing these tests are skipped: `pip install 'shrinkage[browser]'` and
`apt-get install chromium` bring them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from report.conftest import BOLD

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="needs shrinkage[browser]")
pytest.importorskip("axe_playwright_python", reason="needs shrinkage[browser]")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]

SIZES = {"phone": (390, 844), "desk": (1400, 900)}

each_way = pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("ablated", "phone", "light"),
        ("ablated", "phone", "dark"),
        ("ablated", "desk", "light"),
        ("ablated", "desk", "dark"),
        ("regression", "phone", "light"),
        ("planted", "phone", "light"),
        ("planted", "desk", "dark"),
        ("nasty", "phone", "dark"),
        ("nasty", "desk", "light"),
    ],
)


@dataclass
class Seen:
    """A page that was opened, and what it said and asked for meanwhile."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, folder: Path, size: str, scheme: str) -> Iterator[Seen]:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    seen = Seen(page)
    page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("dialog", lambda dialog: (seen.said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: seen.asked.append(request.url))
    page.goto((folder / "report.html").as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    yield seen
    page.close()


@dataclass
class Pages:
    """Each page is opened once and looked at more than once."""

    browser: Any
    stack: ExitStack
    known: dict[tuple[Path, str, str], Seen] = field(default_factory=dict)

    def of(self, folder: Path, size: str, scheme: str) -> Seen:
        key = folder, size, scheme
        if key not in self.known:
            self.known[key] = self.stack.enter_context(opened(self.browser, *key))
        return self.known[key]


@pytest.fixture(scope="module")
def pages(browser: Any) -> Iterator[Pages]:
    with ExitStack() as stack:
        yield Pages(browser, stack)


@pytest.fixture
def seen(name: str, size: str, scheme: str, pages: Pages, request: pytest.FixtureRequest) -> Seen:
    return pages.of(request.getfixturevalue(name), size, scheme)


@each_way
def test_it_is_quiet_and_asks_for_nothing(seen: Seen) -> None:
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in seen.asked if url.startswith("file:")]) == 1


@each_way
def test_every_chart_is_drawn_and_fits(seen: Seen) -> None:
    wanted = seen.run("Object.keys(JSON.parse(document.getElementById('figures').textContent))")
    for chart in wanted:
        box = seen.page.locator(f"[data-figure={chart}]")
        assert box.locator("svg.main-svg").count() >= 1, chart
        size = box.locator("svg.main-svg").first.bounding_box()
        around = box.bounding_box()
        assert size["width"] > 200, chart
        assert size["height"] > 90, chart
        assert size["width"] <= around["width"] + 1, chart
        marks = box.locator(".trace path, .trace .point, .bars path").count()
        assert marks > 0, chart
    assert wanted


@each_way
def test_the_page_does_not_scroll_sideways(seen: Seen) -> None:
    inner, whole = seen.run("[innerWidth, document.documentElement.scrollWidth]")
    assert whole <= inner
    seen.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert seen.run("document.documentElement.scrollWidth") <= inner


@each_way
def test_axe_finds_no_serious_fault(seen: Seen) -> None:
    seen.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    axe = resources.files("axe_playwright_python") / "axe.min.js"
    seen.page.add_script_tag(content=axe.read_text("utf-8"))
    found = seen.run("axe.run(document)")
    assert found["passes"]
    faults = [
        (fault["id"], [node["html"][:120] for node in fault["nodes"]][:3])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert faults == []


@each_way
def test_the_colours_are_those_of_the_scheme(seen: Seen, scheme: str) -> None:
    """Background and the labels of charts, which plotly paints."""
    light = "r => r.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3"
    paper = seen.run(f"({light})(getComputedStyle(document.documentElement).backgroundColor)")
    label = seen.run(f"({light})(getComputedStyle(document.querySelector('.ytick text')).fill)")
    assert (paper > 200) == (scheme == "light")
    assert (label < 100) == (scheme == "light")


@pytest.mark.parametrize("name", ["ablated"])
def test_a_scheme_that_changes_repaints_the_charts(
    name: str, browser: Any, request: pytest.FixtureRequest
) -> None:
    with opened(browser, request.getfixturevalue(name), "desk", "light") as seen:
        label = seen.page.locator(".ytick text").first
        before = label.evaluate("node => getComputedStyle(node).fill")
        seen.page.emulate_media(color_scheme="dark")
        playwright.expect(label).not_to_have_css("fill", before)
        assert seen.said == []


@pytest.mark.parametrize("name", ["ablated"])
def test_keys_lead_from_the_skip_link_to_folded_tables(
    name: str, browser: Any, request: pytest.FixtureRequest
) -> None:
    with opened(browser, request.getfixturevalue(name), "desk", "light") as seen:
        keys = seen.page.keyboard
        keys.press("Tab")
        assert seen.run("document.activeElement.className") == "skip"
        assert seen.run("document.activeElement.getBoundingClientRect().left >= 0")
        keys.press("Enter")
        assert seen.run("document.activeElement.id") == "answer"
        keys.press("Tab")
        assert seen.run("document.activeElement.tagName") == "SUMMARY"
        keys.press("Enter")
        seen.page.wait_for_selector("figure details[open] table")


@pytest.mark.parametrize("name", ["nasty"])
def test_markup_in_names_stays_text_in_charts(
    name: str, browser: Any, request: pytest.FixtureRequest
) -> None:
    with opened(browser, request.getfixturevalue(name), "desk", "light") as seen:
        titles = seen.page.locator("[data-figure=reliability] .xtitle").all_text_contents()
        assert titles == [f"probability of class {BOLD}"]
        assert seen.page.locator(".chart a").count() == 0


@pytest.mark.parametrize("name", ["ablated"])
def test_it_prints_light_with_its_charts(
    name: str, browser: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Printing from a dark screen: charts are painted for paper, and repainted afterwards."""
    with opened(browser, request.getfixturevalue(name), "desk", "dark") as seen:
        fill = "getComputedStyle(document.querySelector('.ytick text')).fill"
        dark = seen.run(fill)
        seen.run(f"addEventListener('beforeprint', () => {{ window.printed = {fill} }})")
        pdf = seen.page.pdf(path=tmp_path / "report.pdf", format="A4")
        assert len(pdf) > 20_000
        assert seen.run("window.printed") not in (None, dark)
        assert seen.run(fill) == dark
        assert seen.said == []


def test_without_scripts_the_numbers_are_there(browser: Any, ablated: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((ablated / "report.html").as_uri())
    text = page.locator("main").inner_text()
    assert "winner" in text
    assert page.locator("table").count() > 5
    context.close()
