"""Run tasks on this machine: a pool of processes with one thread each, or in this process.

Processes end with the one that started them, even when that one is killed. Nothing heavy is
imported here, so that a command can start processes first and have them import beside it: see
`warming`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

_POLL_S = 0.5

AHEAD = 4
"""Processes that import before it is known whether they are wanted: each takes half a gigabyte."""

_THE_PARENTS = {signal.SIGINT, signal.SIGTERM}
"""Signals that are the parent's to hear; it ends its processes by SIGKILL."""


class Inline(Executor):
    """Runs each task at once, in this process."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """A pool whose tasks go to the first process that has least to do.

    So one that has imported all gets the first task, and where one is killed the others go on:
    its task fails with BrokenExecutor, and another process takes its place. loky starts them
    without importing the caller's main module again, so scripts and notebooks need no
    `if __name__ == "__main__"`.
    """

    def __init__(self, count: int, threads: int = 1):
        self.threads = threads
        self.pools: list[Executor | None] = [None] * count
        self.waiting = [0] * count
        self.ended = False
        self.lock = threading.RLock()

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        with self.lock:
            process = self.waiting.index(min(self.waiting))
            self.waiting[process] += 1
        try:
            future = self._to(process, fn, *args, **kwargs)
        except Exception:  # not Ctrl-C, which may come when the task is on its way
            self._ended(process)
            raise
        future.add_done_callback(lambda _: self._ended(process))
        return future

    def practise(self, *, others: bool = False) -> None:
        """Have the first import what tasks need, ahead of them; others: then some more of them.

        All at once they would be in the way of the first, which has the first task.
        """
        done = self._to(0, _practise)
        if others:
            done.add_done_callback(lambda _: self._practise_others())

    def _practise_others(self) -> None:
        for process in range(1, min(len(self.pools), AHEAD)):
            with self.lock:
                if self.ended:
                    return
                self._open(process)
            with suppress(RuntimeError):  # ended by now
                self._to(process, _practise)

    def _open(self, process: int, instead: Executor | None = None) -> Executor:
        """The pool of this process; a new one where there is none, or only this broken one."""
        with self.lock:
            pool = self.pools[process]
            if pool is None or pool is instead:
                pool = self.pools[process] = _one_process(self.threads)
            return pool

    def _to(self, process: int, fn: Callable, *args: Any, **kwargs: Any) -> Future:
        pool = self._open(process)
        with _born_deaf():
            try:
                return pool.submit(_settled, fn, *args, **kwargs)
            except BrokenExecutor:
                return self._open(process, pool).submit(_settled, fn, *args, **kwargs)

    def _ended(self, process: int) -> None:
        with self.lock:
            self.waiting[process] -= 1

    def restart(self) -> None:
        """End what runs now; the next tasks begin new processes."""
        self.kill()
        with self.lock:
            self.pools = [None] * len(self.pools)
            self.ended = False

    def kill(self, wait: bool = False) -> None:
        """End them now: waiting tasks are dropped and running ones killed."""
        with self.lock:
            self.ended, pools = True, [*filter(None, self.pools)]
        for pool in pools:
            pool.shutdown(wait=wait, kill_workers=True)  # pyright: ignore


def _one_process(threads: int) -> Executor:
    from multiprocessing import resource_tracker

    from loky.process_executor import ProcessPoolExecutor

    # The thread count must be in the environment before a worker imports torch.
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    env: dict[str, str] = dict.fromkeys(names, str(threads))
    # What compiles kernels is this process's child: a worker's would be killed with the worker.
    env["SHRINKAGE_KERNELS"] = os.environ.get("SHRINKAGE_KERNELS") or "compiled"
    # loky would end a process that grows by 300 MB, and the next one would import all again.
    env["LOKY_MAX_MEMORY_LEAK_SIZE"] = str(2**62)
    parent = (os.getpid(),)
    # Trackers of resources, Python's and loky's, unblock signals where they start: so they do now,
    # and the process with its first task.
    with _born_deaf():
        resource_tracker.ensure_running()
        return ProcessPoolExecutor(max_workers=1, initializer=_begin, initargs=parent, env=env)


@contextmanager
def _born_deaf() -> Iterator[None]:
    """What starts here never sees Ctrl-C, not even while it begins; this process sees it after.

    It reaches every process of the terminal, as SIGTERM may every process of a job; the parent
    decides what it means.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _THE_PARENTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def executor(workers: int) -> Executor:
    """`workers` processes, or this one where workers is 0."""
    warm = _warm.pop(workers, None)
    _end_warm()
    return warm or (Processes(workers) if workers else Inline())


def aside(device: str) -> Processes | None:
    """A process with the cores that networks on a GPU leave idle; None where they leave none."""
    return None if device == "cpu" else Processes(1, max(1, cores() - 1))


def rested(pool: Executor, workers: int) -> Executor:
    """The pool where all its tasks have ended; else a new one, when that one has ended.

    So nothing writes files any more that one who asked for this does not know of.
    """
    if isinstance(pool, Processes) and any(pool.waiting):
        pool.kill(wait=True)
        return Processes(workers)
    return pool


def stop(pool: Executor | None, wait: bool = False) -> None:
    """End the pool now. wait: until its processes are gone."""
    if isinstance(pool, Processes):
        pool.kill(wait)


_warm: dict[int, Processes] = {}


@contextmanager
def warming(workers: int | None, *, others: bool = False) -> Iterator[None]:
    """The first of `workers` processes imports what training needs, while this one imports and
    reads; others: some more after it. `executor` takes them; where it was not asked for as many,
    they end with this block.
    """
    count = cores() if workers is None else workers
    try:
        if count > 0:
            _warm[count] = Processes(count)
            _warm[count].practise(others=others)
        yield
    finally:
        _end_warm()


def _end_warm() -> None:
    while _warm:
        _warm.popitem()[1].kill(wait=True)


def cores() -> int:
    """Those this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(parent: int) -> None:
    """Runs first in each process."""
    for each in _THE_PARENTS:
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _settled(fn: Callable, /, *args: Any, **kwargs: Any) -> Any:
    """The task, in a process whose torch is set up."""
    _settle()
    return fn(*args, **kwargs)


@cache
def _settle() -> None:
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _practise() -> None:
    """Import what tasks need, and load the kernels by training a toy."""
    from shrinkage import kernels
    from shrinkage.engine import compile, task  # noqa: F401

    if kernels.available():
        compile.train(compile.recipes()[0], "classification")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)
