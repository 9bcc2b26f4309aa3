"""What an install brings along, and what an import costs. Slow: the first needs an index."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CUDA = ("nvidia-", "cuda-")
MOST_PACKAGES = 45
MOST_SECONDS = 1.0

pytestmark = pytest.mark.slow


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_base_install_is_light(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    _python(
        *("-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"),
        *("--constraint", "constraints.txt", "--report", str(report), "."),
    )
    installed = [item["metadata"]["name"] for item in json.loads(report.read_text())["install"]]
    counted = sorted(name for name in installed if not name.startswith(CUDA))
    print(len(counted), "packages:", *counted)
    assert "shrinkage" in counted
    assert len(counted) <= MOST_PACKAGES, counted


def test_the_import_is_fast() -> None:
    code = (
        "import time, torch; start = time.perf_counter(); import shrinkage; "
        "print(time.perf_counter() - start)"
    )
    seconds = [float(_python("-c", code)) for _ in range(5)]
    print("import shrinkage beyond torch:", *(f"{s:.2f}" for s in seconds), "s")
    assert statistics.median(seconds) < MOST_SECONDS, seconds
