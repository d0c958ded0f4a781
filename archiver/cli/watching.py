"""How far an audit has come: a bar on a terminal, a line now and then elsewhere, both on stderr."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from archiver.cli.output import octets, say
from archiver.errors import Interrupted
from archiver.stopping import Stop

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_MOVES = 0.2


class PlainWatch:
    """For logs.

    Args:
        stop: ends what is watched.
        quiet: says nothing.
    """

    def __init__(self, stop: Stop, *, quiet: bool = False) -> None:
        self._stop = stop
        self._quiet = quiet
        self._began = self._last = time.monotonic()
        self._stage = ""

    def progress(self, stage: str, done: int, total: int | None, read: int) -> None:
        """At most a line every ten seconds."""
        _check(self._stop)
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began = stage, now
        if self._quiet or now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        of = "" if total is None else f" of {total:,}"
        say(f"{stage}: {done:,}{of}{_rate(done, read, now - self._began)}")

    def showing(self) -> AbstractContextManager[Any]:
        """Nothing to set up."""
        return nullcontext()


class BarWatch:
    """For terminals; ``stop`` ends what is watched."""

    def __init__(self, stop: Stop) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            console=Console(stderr=True),
            transient=True,
            # Findings that go into a file must not end up here.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._stop = stop
        self._tasks: dict[str, tuple[Any, float]] = {}
        self._last = 0.0

    def progress(self, stage: str, done: int, total: int | None, read: int) -> None:
        """Moves the bar of a stage."""
        _check(self._stop)
        now = time.monotonic()
        if stage not in self._tasks:
            task = self._bar.add_task(stage, total=total, rate="")
            self._tasks[stage] = (task, now)
        elif now - self._last < _SECONDS_BETWEEN_MOVES and done != total:
            return
        self._last = now
        task, began = self._tasks[stage]
        rate = _rate(done, read, now - began).removeprefix(", ")
        self._bar.update(task, completed=done, total=total, rate=rate)

    def showing(self) -> AbstractContextManager[Any]:
        """Shows the bars for as long as the audit lasts."""
        return self._bar


def watch(stop: Stop, *, quiet: bool) -> PlainWatch | BarWatch:
    """The watch that fits where stderr goes.

    Args:
        stop: what asks it to end; it then raises Interrupted.
        quiet: whether it says nothing.
    """
    if sys.stderr.isatty() and not quiet:
        return BarWatch(stop)
    return PlainWatch(stop, quiet=quiet)


def _check(stop: Stop) -> None:
    if stop.asked():
        raise Interrupted("interrupted; nothing was changed", hint="run it again")


def _rate(done: int, read: int, seconds: float) -> str:
    if seconds <= 0:
        return ""
    each = f", {done / seconds:,.0f}/s"
    return f"{each}, {octets(read)} read, {octets(int(read / seconds))}/s" if read else each
