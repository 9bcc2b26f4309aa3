"""What a folder holds, to compare before and after."""

import hashlib
from pathlib import Path


def digests(folder: Path) -> dict[str, str]:
    """Every file and folder below, hidden ones too, with the file's hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }
