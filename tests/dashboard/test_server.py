"""What is served, to whom, and when it ends: a real server on this machine's own address."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from functools import partial
from html import unescape
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

pytest.importorskip("uvicorn", reason="needs shrinkage[dashboard]")
pytest.importorskip("starlette", reason="needs shrinkage[dashboard]")

from cli.processes import group, start
from shrinkage.dashboard import state, watch
from shrinkage.errors import BadInput
from shrinkage.report.timeline import timeline
from shrinkage.wording import number

from .conftest import Run

Going = Callable[..., Run]
SCRIPT = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    text: str


@dataclass
class Served:
    """A server at work in a thread."""

    host: str
    port: int
    token: str
    thread: threading.Thread

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def own(self, path: str) -> str:
        return f"{path}?token={self.token}"

    @contextmanager
    def events(self) -> Iterator[Iterator[tuple[str, Any]]]:
        """(name, data) of each event, until the server closes."""
        connection = HTTPConnection(self.host, self.port, timeout=60)
        connection.request("GET", self.own("/events"))
        with closing(connection), connection.getresponse() as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield _events(answer)


def _events(answer: HTTPResponse) -> Iterator[tuple[str, Any]]:
    while line := answer.readline():
        name = line.decode().removeprefix("event: ").strip()
        data = answer.readline().decode().removeprefix("data: ")
        assert answer.readline() == b"\n"
        yield name, json.loads(data)


@contextmanager
def serving(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(watch, "EVERY_S", 0.02)
    monkeypatch.setattr(watch, "_TICK_S", 0.02)
    monkeypatch.setattr(watch, "_LATECOMERS_S", 0.0)
    address: list[str] = []
    there = threading.Event()
    failed: list[BaseException] = []

    def opened(url: str) -> None:
        address.append(url)
        there.set()

    def work() -> None:
        try:
            watch.serve(run.folder, watch.bound(0), opened)
        except BaseException as error:
            failed.append(error)
            there.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert there.wait(60)
    assert not failed, failed
    found = urlsplit(address[0])
    assert found.hostname is not None
    assert found.port is not None
    served = Served(found.hostname, found.port, parse_qs(found.query)["token"][0], thread)
    try:
        yield served
    finally:
        run.kill()  # it ends with the run
        thread.join(60)
        assert not thread.is_alive()
        assert not failed, failed


@pytest.fixture
def run(going: Going, study: Path) -> Run:
    return going(study)


@pytest.fixture
def served(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(run, monkeypatch) as found:
        yield found


# -- who is let in -----------------------------------------------------------------------------


def test_without_the_token_there_is_nothing_to_see(served: Served) -> None:
    wrong = ("", "?token=", f"?token={served.token[:-1]}", f"?token={served.token}x",
             f"?Token={served.token}", f"?token={quote('ü' * 43)}", "?token=%ff")  # fmt: skip
    for path in ("/", "/events", "/nothing"):
        for query in wrong:
            answer = served.get(path + query)
            assert answer.status == 403, (path, query)
            assert "shrinkage watch" in answer.text
            assert "trial" not in answer.text
    assert served.get("/", "POST").status == 403


def test_with_the_token_there_is_one_page(served: Served) -> None:
    assert len(served.token) >= 43, "32 random bytes"
    answer = served.get(served.own("/"))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert served.get(served.own("/nothing")).status == 404
    assert served.get(served.own("/"), "POST").status == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost:9", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example:80", 400),
        ("", 400),
    ],
)
def test_another_name_of_this_machine_is_refused(host: str, status: int, served: Served) -> None:
    """A page of another site whose name leads here has the right address and the wrong name."""
    assert served.get(served.own("/"), Host=host).status == status


def test_nobody_else_on_the_network_comes_near() -> None:
    with watch.bound(0) as door:
        assert door.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_named() -> None:
    with watch.bound(0) as door:
        port = door.getsockname()[1]
        with pytest.raises(BadInput, match=f"--port {port} cannot be used: address already"):
            watch.bound(port)


def test_only_its_own_scripts_run(served: Served) -> None:
    pages = [served.get(served.own("/")) for _ in range(2)]
    nonces = []
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        found = re.search(r"script-src 'nonce-([\w-]+)'$", policy)
        assert found, policy
        nonces.append(found[1])
        text = page.text
        scripts = re.findall(r"<script(?![^>]*type=)([^>]*)>", text)
        assert scripts == [f' nonce="{found[1]}"'] * 2
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
    assert nonces[0] != nonces[1]


def test_names_that_people_gave_stay_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = json.loads(run.sql("select settings from study")[0][0])
    settings |= {"target": SCRIPT, "source": f"a/{SCRIPT}</h1>.csv"}
    run.sql(f"update study set settings = '{json.dumps(settings)}'")
    run.log(f"2030-01-01 00:00:00,000 INFO data: Column '{SCRIPT}' is constant.\n")
    with serving(run, monkeypatch) as served:
        text = served.get(served.own("/")).text
        with served.events() as events:
            name, told = next(events)
    assert name == "page"
    for body in (text, told["body"]):
        assert SCRIPT not in body
        assert body.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2


# -- what is told ------------------------------------------------------------------------------


def text_of(told: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", told["body"])))


def test_a_look_reads_the_log_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long one takes a while, every second."""
    read: list[str] = []
    monkeypatch.setattr(state, "timeline", lambda log: read.append(log) or timeline(log))
    look = watch.Look(run.folder)
    try:
        assert look.now().end is None
        assert read == [run.folder.log.read_text()]
    finally:
        look.close()


def test_a_trial_whose_metric_is_not_defined_does_not_freeze_the_page(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser parses no -Infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    run.sql("update rung set score = -9e999 where trial = 0")
    monkeypatch.setattr(json, "loads", partial(json.loads, parse_constant=refuse))
    best = "select trial from rung where rung = 2 order by score desc, trial"
    with serving(run, monkeypatch) as served:
        text = served.get(served.own("/")).text
        json.loads(re.findall(r'id="figures">(.*?)</script>', text, re.S)[0])
        with served.events() as events:
            told = next(told for name, told in events if name == "page")
            assert f"best score so far is trial {run.sql(best)[0][0]}'s" in text_of(told)
            assert "inf" not in re.findall(r"[\w-]+", text_of(told))
            run.sql("update rung set score = -9e999")
            told = next(told for name, told in events if name == "page")
    assert "No trial has a score yet" in text_of(told)
    assert "search" not in told["figures"]


BETTER = "update rung set score = 0.99999 where trial = 0 and share = 1"
SAID = "best score so far is trial 0's: validation accuracy 1.0000"


def test_pages_hear_what_changes_and_how_it_ends(run: Run, served: Served, study: Path) -> None:
    trials = run.sql("select count(*) from trial")[0][0]
    best = run.sql(
        "select max(score) from rung join trial on trial = number "
        "where status = 'finished' and share = 1"
    )[0][0]
    with served.events() as events:
        name, told = next(events)
        assert name == "page"
        assert f"{trials} of 6 trials so far" in text_of(told)
        assert number(best) in text_of(told)
        assert set(told["figures"]) == {"search", "work"}
        name, tick = next(events)
        assert name == "tick"
        assert set(tick) == {"phase", "left", "used"}

        # A rung ends: the page is told of it, once, and of the clock in between.
        run.sql(BETTER)
        told = next(told for name, told in events if name == "page")
        assert SAID in text_of(told), text_of(told)
        assert [next(events)[0] for _ in range(5)] == ["tick"] * 5

        run.end(study)
        rest = list(events)
    names = [name for name, _ in rest]
    assert names[-3:] == ["page", "tick", "end"]
    assert names.count("page") == 1
    assert "has ended" in rest[-1][1]
    result = json.loads((study / "result.json").read_text())
    said = text_of(rest[-3][1])
    assert "test rows that had no say in its choice" in said
    assert number(result["scores"]["winner"]["test"]["accuracy"]) in said
    served.thread.join(60)
    assert not served.thread.is_alive(), "the server ends with the run"


def test_a_run_that_is_killed_is_said_to_be(run: Run, served: Served) -> None:
    with served.events() as events:
        assert next(events)[0] == "page"
        run.kill()
        rest = list(events)
    assert rest[-1][0] == "end"
    assert f"shrinkage resume {run.root}" in rest[-1][1]
    last = [told for name, told in rest if name == "page"][-1]
    assert "did not come to its end" in text_of(last)
    served.thread.join(60)
    assert not served.thread.is_alive()


def test_a_database_that_is_away_for_a_moment_ends_nothing(run: Run, served: Served) -> None:
    database, away = run.root / "study.db", run.root / "away.db"
    with served.events() as events:
        assert [next(events)[0] for _ in range(2)] == ["page", "tick"]
        database.rename(away)
        assert [next(events)[0] for _ in range(8)] == ["tick"] * 8
        away.rename(database)
        run.sql(BETTER)
        found = [told for (name, told), _ in zip(events, range(40), strict=False) if name == "page"]
    assert [SAID in text_of(told) for told in found] == [True]


def test_a_run_that_has_no_trials_yet_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.sql("delete from rung", "delete from trial", "delete from baseline")
    log = run.root / "run.log"
    kept = [line for line in log.read_text().splitlines(keepends=True) if " rung " not in line]
    log.write_text("".join(line for line in kept if "baseline" not in line))
    with serving(run, monkeypatch) as served, served.events() as events:
        _, told = next(events)
    assert "The first steps are timed" in text_of(told)
    assert told["figures"] == {}


# -- the command -------------------------------------------------------------------------------


def test_a_run_that_does_not_go_on_is_said_to(run: Run, study: Path, command) -> None:
    done = command("watch", study)
    assert (done.code, done.err) == (0, "")
    assert f"The run has ended. Its report: {study}/report.html" in done.out
    run.kill()
    done = command("watch", run.root)
    assert (done.code, done.err) == (0, "")
    assert f"shrinkage resume {run.root}" in done.out


def test_what_is_not_installed_is_named(command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = command("watch", "run")
    assert done.code == 2
    assert "pip install -e '.[dashboard]'" in done.err
    assert len(done.err.splitlines()) == 2


def test_an_interrupt_ends_it_cleanly_and_the_run_goes_on(run: Run) -> None:
    """With a page that listens."""
    process = start("watch", run.root, "--no-open")
    assert process.stdout is not None
    found = urlsplit(process.stdout.readline().removeprefix("Live: ").strip())
    assert found.hostname is not None
    token = parse_qs(found.query)["token"][0]
    served = Served(found.hostname, found.port or 0, token, threading.current_thread())
    with served.events() as events:
        assert next(events)[0] == "page"
        process.send_signal(signal.SIGINT)
        assert "end" not in {name for name, _ in events}
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "No longer watched; the run goes on."
    assert not group(process.pid)
