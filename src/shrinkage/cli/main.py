"""`shrinkage`: the commands, and what an error looks like.

Exit codes: 0 success, 1 failure, 2 bad input.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from contextlib import nullcontext

STARTED = time.monotonic()
"""The budget counts from here: before anything heavy is imported."""

import typer  # noqa: E402

from shrinkage import interrupts  # noqa: E402
from shrinkage.cli import (  # noqa: E402
    ablate,
    fit,
    ingredients,
    predict,
    recipe,
    report,
    resume,
    show,
    studies,
    watch,
)
from shrinkage.errors import BadInput, Interrupted, NoEffectWarning  # noqa: E402

_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

app = typer.Typer(
    help="Find the training recipe under which a neural network generalizes on your data.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    fit.fit,
    resume.resume,
    predict.predict,
    show.show,
    ablate.ablate,
    watch.watch,
    report.report,
    studies.studies,
    recipe.recipe,
    ingredients.ingredients,
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _begin(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        import shrinkage

        print(shrinkage.__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors are one to three lines on standard error."""
    # The result says it, as a line among others.
    warnings.simplefilter("ignore", NoEffectWarning)
    try:
        with interrupts.listening() if _in_main_thread() else nullcontext():
            code = app(arguments, standalone_mode=False, prog_name="shrinkage")
        if code == _INTERRUPTED:
            return _fail("interrupted", 1)
        return code if isinstance(code, int) else 0
    except BadInput as error:
        return _fail(str(error), 2)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "shrinkage"
        return _fail(f"{error.format_message()}\nSee `{command} --help`.", 2)
    except Interrupted as error:
        return _fail(str(error), 1)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", 1)
    except BrokenPipeError:
        return 1
    except (MemoryError, OSError) as error:
        return _fail(f"{type(error).__name__}: {error}", 1)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _fail(message: str, code: int) -> int:
    print("error:", "\n".join(message.strip().splitlines()[:3]), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
