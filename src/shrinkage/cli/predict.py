"""`shrinkage predict`: use a model."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer


def predict(
    folder: Annotated[str, typer.Argument(help="The folder of a run or model.", metavar="DIR")],
    data: Annotated[str, typer.Argument(help="Rows to predict, in any format fit reads.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="CSV, TSV (.gz too), Parquet or Feather, by the name; default: standard output.",
        ),
    ] = None,
    proba: Annotated[bool, typer.Option(help="Probabilities of each class.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict new rows with a saved model.

    Example: shrinkage predict run new_customers.csv -o predictions.csv
    """
    from shrinkage.cli import terminal
    from shrinkage.data.source import read
    from shrinkage.errors import BadInput
    from shrinkage.model import Model

    if as_json and output is not None:
        raise BadInput(f"--json prints, and -o {output} writes a file: leave one of them out")
    write = _writer(output or "")
    model = Model.load(folder)
    frame, notes = model.table(read(data, only=model.schema.used), proba=proba)
    for note in notes:
        print(note, file=sys.stderr)
    if as_json:
        terminal.print_json(frame.to_dict("list"))
    elif output is None:
        write(frame, sys.stdout)
    else:
        with _writing(Path(output)) as path:
            write(frame, path)
        print(f"{len(frame):,} predictions in {output}", file=sys.stderr)


def _writer(output: str) -> Callable[[Any, Any], None]:
    """What writes a frame in the format that the name says, CSV where it says nothing.

    Raises BadInput for a format that is not written.
    """
    from shrinkage.data.source import DELIMITERS
    from shrinkage.errors import BadInput

    suffix = Path(output).suffix.lower()
    compression = "gzip" if suffix == ".gz" else None
    if compression:
        suffix = Path(Path(output).stem).suffix.lower()
    separator = {"": ",", ".txt": ",", **DELIMITERS}.get(suffix)
    if separator is not None:
        return lambda frame, path: frame.to_csv(
            path, index=False, sep=separator, compression=compression
        )
    if suffix == ".parquet" and not compression:
        return lambda frame, path: frame.to_parquet(path, index=False)
    if suffix == ".feather" and not compression:
        return lambda frame, path: frame.to_feather(path)
    raise BadInput(
        f"-o {output}: predictions are written as .csv, .tsv (both also .gz), .parquet or .feather"
    )


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
