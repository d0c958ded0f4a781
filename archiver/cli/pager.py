"""Prints long text through the pager that a person chose, where a terminal is too short for it.

Nothing pages unasked: ``$PAGER`` or ``--pager`` asks for it.
"""

import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from archiver.errors import UsageError


def print_lines(lines: Sequence[str], wanted: bool | None) -> None:
    """Prints lines on stdout; characters that its encoding lacks become question marks.

    Args:
        lines: without their ends.
        wanted: whether to page; None: on a terminal with fewer lines than that, if $PAGER is set.
    """
    command = _pager(wanted, len(lines))
    text = "\n".join(lines) + "\n"
    if command and _paged(command, text):
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(text)


def _pager(wanted: bool | None, lines: int) -> list[str]:
    if wanted is False or not sys.stdout.isatty():
        return []
    chosen = os.environ.get("PAGER", "")
    if wanted is None and (not chosen or lines < shutil.get_terminal_size().lines):
        return []
    try:
        return shlex.split(chosen) or ["less"]
    except ValueError as error:
        raise UsageError(f"PAGER cannot be understood: {error}") from None


def _paged(command: list[str], text: str) -> bool:
    """Whether a pager could be started; it may have been left before it had seen all."""
    # As git has it: what fits a screen is printed, and stays there.
    surroundings = {"LESS": "FRX", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=surroundings)
    except OSError:
        return False
    with process, suppress(BrokenPipeError, KeyboardInterrupt):
        process.communicate(text.encode(errors="replace"))
    return True
