"""Fused CPU kernels: what stands between the matrix products, in one pass and in cache.

Each file holds the kernels of one part of a step, compiled by Numba, and says which readable torch
functions they equal; `tests/kernels` steps both with random input. Without Numba, on a GPU, in
float64 and for what no kernel knows, the torch functions run.

Compiling takes a quarter of a minute, once a machine and version. A process of its own does it, and
the torch functions run until it is done, so that no run waits. The environment's SHRINKAGE_KERNELS
may say otherwise: "wait" compiles here and now, "compiled" uses what is there and begins nothing,
"off" runs without kernels. SHRINKAGE_KERNELS_FOLDER is where to keep them.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import zlib
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS = ("relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "mish")
"""Those that kernels know."""

_HERE = Path(__file__).parent
_LONGEST_S = 600
"""A compilation that is not done after this time was killed, and is begun again."""


def usable(x: Tensor) -> bool:
    """Whether kernels can take this tensor now."""
    return str(x.dtype) == "torch.float32" and x.device.type == "cpu" and available()


def available() -> bool:
    """Whether kernels can be called: Numba is installed, and they are compiled, or may be now."""
    wish = os.environ.get("SHRINKAGE_KERNELS", "")
    if wish == "off" or folder() is None:
        return False
    return wish == "wait" or _compiled()


@cache
def folder() -> Path | None:
    """Where compiled kernels are kept: by the contents, place and times of these files, by the
    versions of Numba and Python, and by the processor.

    Numba compiles anew where one of them differs: a copied package is not compiled yet. None
    without Numba.
    """
    if find_spec("numba") is None:
        return None
    made_for = f"{version('numba')} {sys.implementation.cache_tag} {_processor()}"
    about = [f"{file}{file.stat().st_mtime_ns}".encode() + file.read_bytes()
             for file in sorted(_HERE.glob("*.py"))]  # fmt: skip
    state = zlib.crc32(b"".join([made_for.encode(), *about]))
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = [_HERE / "__pycache__", home / "shrinkage"]
    if own := os.environ.get("SHRINKAGE_KERNELS_FOLDER"):
        places = [Path(own)]
    for place in places:
        path = place / f"kernels-{state:08x}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
            return path
    return None


def _processor() -> str:
    """What it is called and can do, as far as the system says so without asking for long."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = (line for line in lines if line.startswith(("model name", "flags", "Features")))
    return " ".join([platform.machine(), *dict.fromkeys(told)])


def mark_compiled() -> None:
    """Say that all kernels are on disk."""
    if (path := folder()) is not None:
        (path / "compiled").touch()


_seen: set[Path] = set()


def _compiled() -> bool:
    """Whether they are; where not, a process begins to compile them, unless one is at it."""
    path = folder()
    assert path is not None
    if path in _seen or (path / "compiled").exists():
        _seen.add(path)
        return True
    if os.environ.get("SHRINKAGE_KERNELS") == "compiled":
        return False
    begun = path / "begun"
    try:
        if begun.exists() and begun.stat().st_mtime < time.time() - _LONGEST_S:
            begun.unlink()
        begun.touch(exist_ok=False)
    except OSError:
        return False
    # It outlives a short run: the next one finds kernels.
    subprocess.Popen(
        [sys.executable, "-m", "shrinkage.engine.compile"],
        env={**os.environ, "SHRINKAGE_KERNELS": "wait", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return False
