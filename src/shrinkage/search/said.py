"""What each contender said of the test rows, kept for whoever judges it afterwards.

One array a contender: probabilities [n, C], in float32, or numbers [n]; where the metric looks at
decisions only, what decided: the largest value of a row is the chosen class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shrinkage.files import replacing


def keep(work: Path, name: str, output: np.ndarray) -> None:
    (work / "said").mkdir(exist_ok=True)
    with replacing(_path(work, name), sync=False) as temporary, open(temporary, "wb") as file:
        kind = np.float32 if output.ndim == 2 else np.float64
        np.save(file, np.asarray(output, dtype=kind), allow_pickle=False)


def kept(work: Path, name: str, rows: int) -> np.ndarray | None:
    """None where nothing of that many rows was kept, as by earlier versions."""
    try:
        found = np.load(_path(work, name), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found.astype(np.float64) if len(found) == rows else None


def _path(work: Path, name: str) -> Path:
    return work / "said" / f"{name}.npy"
