"""Ctrl-C and SIGTERM save the best so far; SIGKILL loses no finished rung."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from conftest import mixed
from shrinkage.model import Model

from .processes import command, database, group, kill, leftovers, start, wait_for


@pytest.fixture
def table(tmp_path: Path) -> Path:
    mixed(400).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def recomputed(run: Path, frame) -> float:
    y = frame["y"]
    test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)[1]
    return float(np.mean(Model.load(run).predict(frame.iloc[test]) == y.iloc[test].to_numpy()))


SIGNALS = [(signal.SIGINT, 2, True), (signal.SIGTERM, 0, False)]


@pytest.mark.parametrize(("sent", "workers", "whole_group"), SIGNALS)
def test_an_interrupt_saves_the_best_so_far(
    sent: signal.Signals, workers: int, whole_group: bool, table: Path, tiny: Path
) -> None:
    """A terminal sends Ctrl-C to the whole group; a batch system sends SIGTERM to one process."""
    run = table.parent / "run"
    process = start("fit", table, "--target", "y", "--out", run, "--budget", "5m", "--cv", 3,
                    "--workers", workers, "--recipe", tiny)  # fmt: skip
    assert wait_for(lambda: len(database(run).rungs) > 8, 60)
    rungs = database(run).rungs
    if whole_group:
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "Interrupted: the best so far is saved" in out
    assert f"shrinkage resume {run}" in out
    result = json.loads((run / "result.json").read_text())
    assert result["interrupted"] is True
    assert result["wall_s"] < 60 < result["budget_s"]
    assert database(run).rungs >= rungs
    assert result["scores"]["winner"]["test"]["accuracy"] == recomputed(run, mixed(400))
    assert not leftovers(run)
    assert wait_for(lambda: not group(process.pid), 2)


def test_an_interrupt_before_any_network_says_how_to_go_on(table: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.toml"
    slow.write_text("[network.mlp]\nwidth = 512\ndepth = 4\n[data.minibatch]\nepochs = 200\n")
    run = tmp_path / "run"
    process = start("fit", table, "--target", "y", "--out", run, "--budget", "1h", "--cv", 3,
                    "--workers", 0, "--recipe", slow)  # fmt: skip
    assert wait_for(lambda: (run / "run.log").is_file(), 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert len(err.splitlines()) == 1
    assert "interrupted" in err
    assert f"shrinkage resume {run}" in err
    assert not (run / "model").exists()


ENDLESS = """
import signal, sys
from shrinkage.cli import main
from shrinkage.search import finish

finish.conclude = lambda *_: signal.pause()
sys.exit(main.main())
"""
"""The command, whose end takes until a signal comes."""


def test_a_second_interrupt_leaves_at_once_and_whole(table: Path, tiny: Path) -> None:
    run = table.parent / "run"
    process = start("fit", table, "--target", "y", "--out", run, "--budget", "5m", "--cv", 3,
                    "--workers", 0, "--recipe", tiny,
                    program=[sys.executable, "-c", ENDLESS])  # fmt: skip
    assert wait_for(lambda: len(database(run).rungs) > 8, 60)
    process.send_signal(signal.SIGINT)
    assert wait_for(lambda: "keeping the best so far" in (run / "run.log").read_text(), 30)
    rungs = database(run).rungs
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith("error: interrupted; what was finished is kept")
    assert len(err.splitlines()) == 1, err
    assert not leftovers(run)
    assert database(run).rungs == rungs
    assert command("resume", run, "--budget", "10s").returncode == 0


MOMENTS = [round(random.Random(0).uniform(0.5, 22), 2) for _ in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("moment", sorted(MOMENTS))
def test_a_killed_run_resumes_and_loses_no_rung(moment: float, table: Path, tiny: Path) -> None:
    import time

    run, frame = table.parent / "run", mixed(400)
    asked = ("--target", "y", "--out", run, "--budget", "25s", "--workers", 2, "--recipe", tiny)
    process = start("fit", table, *asked)
    time.sleep(moment)
    workers = kill(process, whole_group=moment > 11)
    assert wait_for(lambda: not [p for p in workers if Path(f"/proc/{p}").exists()], 2)
    before = database(run)
    began = bool(before.rungs) or (run / "study.db").exists()
    done = command(*(("resume", run, "--budget", "12s") if began else ("fit", table, *asked)))
    assert done.returncode == 0, done.stderr
    after = database(run)
    assert after.rungs >= before.rungs
    assert after.baselines >= before.baselines
    result = json.loads((run / "result.json").read_text())
    assert result["scores"]["winner"]["test"]["accuracy"] == recomputed(run, frame)
    assert not leftovers(run)
