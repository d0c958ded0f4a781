"""Ctrl-C and SIGTERM, as requests to end at a safe point."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from archiver.stopping import Stop

_SAID = b"stopping: what is under way gets some seconds to end; once more to end at once\n"


@contextmanager
def stopping() -> Iterator[Stop]:
    """A stop that the first Ctrl-C or SIGTERM asks for; the second ends the process at once.

    A signal that whoever started us wants ignored is ignored.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        # Not by sys.stderr, which may be in the middle of a line of its own.
        with suppress(OSError):
            os.write(2, _SAID)
        stop.ask()

    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: how for number, how in found.items() if how is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, how in before.items():
            signal.signal(number, how)
