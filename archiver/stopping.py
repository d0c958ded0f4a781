"""A run that is asked to end, and waiting that hears of it.

Whoever waits for what may never come (a server, a name, a worker) waits in slices and looks between
them. Nobody is woken: a signal handler must not take a lock that the code it interrupts may hold.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from math import inf
from time import monotonic, sleep
from typing import TypeVar

from archiver.errors import Interrupted

_GRACE_SECONDS = 3.0
_SLICE_SECONDS = 0.25

_T = TypeVar("_T")


class Stop:
    """Whether a run was asked to end, and how long ago.

    Args:
        grace: seconds in which what is under way may still end by itself, so that a session is
            quit and a batch archived; then it is broken off.
    """

    def __init__(self, grace: float = _GRACE_SECONDS) -> None:
        self._grace = grace
        self._overdue_at = inf
        self._at_once = False

    def ask(self) -> None:
        """Asks the run to end; may be called by a signal's handler.

        Raises:
            Interrupted: within ``at_once``.
        """
        self._overdue_at = min(self._overdue_at, monotonic() + self._grace)
        if self._at_once:
            raise Interrupted

    def asked(self) -> bool:
        """Whether the run is to end: nothing new is begun."""
        return self._overdue_at != inf

    def check(self) -> None:
        """Goes on where there is time.

        Raises:
            Interrupted: the run should have ended by now.
        """
        if monotonic() >= self._overdue_at:
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Waits that long, or until the run is asked to end."""
        until = monotonic() + seconds
        while not self.asked() and (left := until - monotonic()) > 0:
            sleep(min(left, _SLICE_SECONDS))

    def slices(self, seconds: float = inf) -> Iterator[float]:
        """Cuts a wait into slices and gives the seconds of each; ends when time is up.

        Raises:
            Interrupted: the run should have ended by now.
        """
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self.check()
            yield min(left, _SLICE_SECONDS)

    def abandonable(self, call: Callable[[], _T]) -> _T:
        """What a call gives that cannot be made to end; in time it is left to itself.

        Raises:
            Interrupted: the run should have ended by now.
            Exception: whatever the call raises.
        """
        future: Future[_T] = Future()
        threading.Thread(target=_fulfil, args=(future, call), daemon=True).start()
        for seconds in self.slices():
            if wait([future], seconds).done:
                break
        return future.result()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Has ``ask`` break off what is done within, such as asking a person for a password.

        Only for the main thread, where signals are handled.

        Raises:
            Interrupted: the run was asked to end.
        """
        self._at_once = True
        try:
            if self.asked():
                raise Interrupted
            yield
        finally:
            self._at_once = False


def _fulfil(future: "Future[_T]", call: Callable[[], _T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
        future.set_exception(error)
