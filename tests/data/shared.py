"""The real tables, which the project does not ship: ../shared/data beside the repository."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "tabular"

need_tables = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the real tables (../shared/data/tabular) are not here"
)
