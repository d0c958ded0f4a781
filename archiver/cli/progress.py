"""How a run shows itself: bars on a terminal, plain lines elsewhere, both on stderr."""

import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from archiver.cli.output import say

_SECONDS_BETWEEN_LINES = 10.0
_WAITING = "waits"


class PlainReporter:
    """For logs: notes as they come, progress now and then.

    Args:
        quiet: leaves progress out.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._last: dict[tuple[str, str], float] = {}
        self._guard = threading.Lock()

    def note(self, account: str, text: str) -> None:
        """A line worth a person's attention."""
        say(f"{account}: {text}")

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """At most a line every ten seconds for each account and stage."""
        if self._quiet:
            return
        with self._guard:
            now = time.monotonic()
            last = self._last.setdefault((account, stage), now)
            if now - last < _SECONDS_BETWEEN_LINES:
                return
            self._last[account, stage] = now
        of = "" if total is None else f" of {total:,}"
        say(f"{account}: {stage}: {done:,}{of} messages")

    def waiting(self, account: str, seconds: float) -> None:
        """Nothing: a note has said how long."""

    def showing(self) -> AbstractContextManager[Any]:
        """Nothing to set up."""
        return nullcontext()


class BarReporter:
    """For terminals: a bar for each account and stage that is under way."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[tuple[str, str], Any] = {}
        self._guard = threading.Lock()

    def note(self, account: str, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(f"{account}: {text}", markup=False, highlight=False)

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """Moves the bar of this account and stage."""
        with self._guard:
            task = self._tasks.get((account, stage))
            if task is None:
                task = self._progress.add_task(f"{account} {stage}", total=None)
                self._tasks[account, stage] = task
        self._progress.update(task, completed=done, total=total)

    def waiting(self, account: str, seconds: float) -> None:
        """A bar without an end, which shows that the run is alive."""
        with self._guard:
            task = self._tasks.pop((account, _WAITING), None)
            if task is not None:
                self._progress.remove_task(task)
            if seconds:
                task = self._progress.add_task(f"{account} {_WAITING}", total=None)
                self._tasks[account, _WAITING] = task

    def showing(self) -> AbstractContextManager[Any]:
        """Shows the bars for as long as the run lasts."""
        return self._progress


def reporter(*, quiet: bool) -> PlainReporter | BarReporter:
    """The reporter that fits where stderr goes."""
    if sys.stderr.isatty() and not quiet:
        return BarReporter()
    return PlainReporter(quiet=quiet)
