"""How a command line ends: 0, or 2 and one line on stderr that says what the user can do; a bug keeps its traceback."""

from collections.abc import Sequence
from typing import cast

import typer

from napari_ambiseg.errors import AmbisegError

REFUSED = 2
"""Exit code after a mistake of the user."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it."""

# What the framework raises for an unknown option and the like. Recent typers carry a click of their own and give the
# class no public name but this one.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])


def run(app: typer.Typer, words: Sequence[str], *, prog_name: str) -> int:
    """Run a typer application on the words of a command line; returns the exit code."""
    try:
        # With standalone_mode=False the framework returns what a command returns, and leaves errors to us.
        # `obj` is what a command finds in its context: the words, for one that starts itself in several processes.
        code = app(args=list(words), prog_name=prog_name, standalone_mode=False, obj=tuple(words))
    except AmbisegError as error:
        return _refused(str(error))
    except _UsageError as error:
        return _refused(cast(typer.BadParameter, error).format_message())
    except typer.Abort:
        typer.echo("stopped", err=True)
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def told(reason: str) -> str:
    """An error as a command line tells it: on one line, but each item of a list ("- ...") on a line of its own."""
    return "\n- ".join(" ".join(part.split()) for part in f"error: {reason}".split("\n- "))


def _refused(reason: str) -> int:
    if reason:  # there is none where no words at all were answered with the help
        typer.echo(told(reason), err=True)
    return REFUSED
