"""Run tasks on this machine: a pool of processes with one thread each, or in this process.

Processes end with the one that started them, even when that one is killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from shrinkage import kernels

_POLL_S = 0.5


class Inline(Executor):
    """Runs each task at once, in this process."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def executor(workers: int) -> Executor:
    """`workers` processes, or this one where workers is 0.

    loky starts them without importing the caller's main module again, so scripts and notebooks
    need no `if __name__ == "__main__"`.
    """
    if workers == 0:
        return Inline()
    from loky.process_executor import ProcessPoolExecutor

    # The thread count must be in the environment before a worker imports torch.
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    env: dict[str, str] = dict.fromkeys(threads, "1")
    # What compiles kernels is this process's child: a worker's would be killed with the worker.
    kernels.available()
    env["SHRINKAGE_KERNELS"] = os.environ.get("SHRINKAGE_KERNELS") or "compiled"
    return ProcessPoolExecutor(
        max_workers=workers, initializer=_begin, initargs=(os.getpid(),), env=env
    )


def stop(pool: Executor) -> None:
    """End the pool now: waiting tasks are dropped and running ones killed."""
    if isinstance(pool, Inline):
        return
    pool.shutdown(wait=False, kill_workers=True)  # pyright: ignore


def _begin(parent: int) -> None:
    """Runs first in each process."""
    # Ctrl-C reaches every process of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)
