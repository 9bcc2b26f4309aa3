"""The errors and warnings that a person sees."""

import sys


class BadInput(ValueError):
    """Something a person gave us cannot be used: a file, a column, a value, a recipe.

    The message is one to three lines: what is wrong, where, and the way out. The
    command line prints it as it is and exits with 2; it never shows a traceback.
    """


def not_installed(what: str, extra: str, instead: str = "") -> BadInput:
    """The error that a library of an extra is not there.

    what: who needs what, such as "watch needs Starlette". instead: another way out.
    """
    return BadInput(
        f"{what}, which is not installed;\n"
        f"install it in your clone with `{sys.executable} -m pip install -e '.[{extra}]'`{instead}"
    )


class Unwritable(BadInput):
    """A file cannot be written: a full disk, no permission. What was written before is whole."""


class Unreachable(BadInput):
    """A server that does not answer, or does not let us in; what it holds may be whole."""


class Interrupted(Exception):
    """A person ended a run before there was anything to save; the message says how to go on."""


class NoEffectWarning(UserWarning):
    """An ingredient was asked for and changed nothing."""


class UnseenWarning(UserWarning):
    """Rows to predict hold columns or categories that training did not see."""
