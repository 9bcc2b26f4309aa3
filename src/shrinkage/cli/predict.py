"""`shrinkage predict`: use a model."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def predict(
    folder: Annotated[str, typer.Argument(help="The folder of a run or model.", metavar="DIR")],
    data: Annotated[str, typer.Argument(help="Rows to predict, in any format fit reads.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="A CSV file; default: standard output.")
    ] = None,
    proba: Annotated[bool, typer.Option(help="Probabilities of each class.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict new rows with a saved model.

    Example: shrinkage predict run new_customers.csv -o predictions.csv
    """
    from shrinkage.cli import terminal
    from shrinkage.data.source import read
    from shrinkage.model import Model

    frame, notes = Model.load(folder).table(read(data), proba=proba)
    for note in notes:
        print(note, file=sys.stderr)
    if as_json:
        terminal.print_json(frame.to_dict("list"))
    elif output is None:
        frame.to_csv(sys.stdout, index=False)
    else:
        with _writing(Path(output)) as path:
            frame.to_csv(path, index=False)
        print(f"{len(frame):,} predictions in {output}", file=sys.stderr)


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Where to write what shall be at `path`: whole or not at all, but for a pipe or a device.

    A link stays one.
    """
    from shrinkage.files import replacing, unwritable

    try:
        device = path.exists() and not (path.is_file() or path.is_dir())
        place = path.resolve(strict=False) if path.is_symlink() else path
        if device:
            yield path
            return
    except (OSError, RuntimeError) as error:  # a link that leads to itself is a RuntimeError
        cause = error if isinstance(error, OSError) else OSError(errno.ELOOP, str(error))
        raise unwritable(path, cause) from None
    with replacing(place) as temporary:
        yield temporary
