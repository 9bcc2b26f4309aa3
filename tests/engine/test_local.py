"""Where tasks run: a pool that ends with its parent, one thread a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor

import pytest

from shrinkage.engine import local


def test_inline_runs_at_once_and_keeps_errors() -> None:
    pool = local.executor(0)
    assert pool.submit(divmod, 7, 2).result() == (3, 1)
    failed = pool.submit(divmod, 7, 0)
    assert isinstance(failed.exception(), ZeroDivisionError)
    local.stop(pool)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def test_processes_have_one_thread_each() -> None:
    pool = local.executor(2)
    try:
        found = [pool.submit(_threads) for _ in range(4)]
        assert [future.result(60) for future in found] == [1] * 4
        assert pool.submit(os.getpid).result() != os.getpid()
    finally:
        local.stop(pool)


def test_stop_kills_what_runs() -> None:
    pool = local.executor(1)
    pid = pool.submit(os.getpid).result(60)
    pool.submit(time.sleep, 60)
    time.sleep(0.2)
    local.stop(pool)
    assert gone([pid], within=3)


def test_stop_needs_no_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small images lack those that list processes."""
    pool = local.executor(1)
    pid = pool.submit(os.getpid).result(60)
    pool.submit(time.sleep, 60)
    monkeypatch.setenv("PATH", "")
    local.stop(pool, wait=True)
    assert gone([pid], within=0)


def test_a_signal_to_the_whole_job_is_the_parents() -> None:
    pool = local.executor(1)
    try:
        pid = pool.submit(os.getpid).result(60)
        running = pool.submit(divmod, 7, 2)
        for each in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, each)
        assert running.result(60) == (3, 1)
        assert pool.submit(os.getpid).result(60) == pid
    finally:
        local.stop(pool)


_BALLAST: list = []


def _grown() -> int:
    import numpy as np

    _BALLAST.append(np.ones(50_000_000))
    time.sleep(1.1)  # loky looks at its memory once a second
    return os.getpid()


def test_a_process_that_grows_goes_on() -> None:
    """Another would have to import all again."""
    pool = local.executor(1)
    try:
        pid = pool.submit(os.getpid).result(60)
        assert pool.submit(_grown).result(60) == pid
        assert [pool.submit(os.getpid).result(60) for _ in range(2)] == [pid] * 2
    finally:
        local.stop(pool)


def test_a_rested_pool_is_new_where_tasks_ran_and_those_have_ended_by_then() -> None:
    pool = local.executor(2)
    try:
        pids = [pool.submit(os.getpid).result(60)]
        assert local.rested(pool, 2) is pool
        running = [pool.submit(time.sleep, 60) for _ in range(2)]
        pids += [pid for each in pool.pools for pid in each._processes]
        rested = local.rested(pool, 2)
        assert gone(pids, within=0)
        assert all(isinstance(each.exception(0), Exception) for each in running)
        assert rested.submit(divmod, 7, 2).result(60) == (3, 1)
        local.stop(rested)
    finally:
        local.stop(pool)


def test_a_killed_process_fails_its_task_and_is_replaced() -> None:
    pool = local.executor(2)
    try:
        killed = pool.submit(os._exit, 9)
        other = pool.submit(divmod, 7, 2)
        with pytest.raises(BrokenExecutor):
            killed.result(60)
        assert other.result(60) == (3, 1)
        assert [pool.submit(divmod, 9, 2).result(60) for _ in range(3)] == [(4, 1)] * 3
    finally:
        local.stop(pool)


def test_some_import_ahead_after_the_first() -> None:
    pool = local.Processes(3)
    try:
        pool.practise(others=True)
        pid = pool._to(0, os.getpid).result(60)  # results are heard in order
        pids = [next(iter(each._processes)) for each in pool.pools]  # pyright: ignore
        assert len({*pids}) == 3
        assert pids[0] == pid
        tasks = [pool.submit(os.getpid) for _ in range(3)]
        assert {each.result(60) for each in tasks} == {*pids}
    finally:
        local.stop(pool, wait=True)
    pool._practise_others()
    assert all(gone([pid], within=3) for pid in pids)
    fresh = local.Processes(2)
    local.stop(fresh)
    fresh._practise_others()
    assert fresh.pools == [None, None]


def test_the_first_alone_imports_ahead_unless_told() -> None:
    pool = local.Processes(2)
    try:
        pool.practise()
        pool._to(0, os.getpid).result(60)
        assert pool.pools[1] is None
    finally:
        local.stop(pool)


def test_a_process_started_ahead_gets_the_first_task_and_else_ends() -> None:
    with local.warming(2):
        begun = local._warm[2]
        pid = begun.submit(os.getpid).result(60)
        pool = local.executor(2)
        assert pool is begun
        assert not local._warm
        assert pool.submit(os.getpid).result(60) == pid
    assert alive(pid), "the block's end leaves a pool that was taken"
    local.stop(pool)
    assert gone([pid], within=3)
    with local.warming(1):
        pid = local._warm[1].submit(os.getpid).result(60)
    assert gone([pid], within=3)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def gone(pids: list[int], within: float) -> bool:
    until = time.time() + within
    while any(map(alive, pids)) and time.time() < until:
        time.sleep(0.05)
    return not any(map(alive, pids))


PARENT = """
import os, time
from shrinkage.engine import local
pool = local.executor(2)
print(*{pool.submit(os.getpid).result() for _ in range(6)}, flush=True)
pool.submit(time.sleep, 600), pool.submit(time.sleep, 600)
time.sleep(600)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_workers_end_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers
    assert all(map(alive, workers))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(workers, within=2)
    parent.stdout.close()


@pytest.mark.parametrize(
    ("error", "waiting"), [(OSError("no process"), [0, 0]), (KeyboardInterrupt(), [1, 0])]
)
def test_a_task_that_cannot_be_sent_is_not_waited_for(
    error: BaseException, waiting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C it may be on its way."""

    def refuse(*_: object) -> None:
        raise error

    pool = local.Processes(2)
    monkeypatch.setattr(local.Processes, "_to", refuse)
    with pytest.raises(type(error)):
        pool.submit(divmod, 7, 2)
    assert pool.waiting == waiting
