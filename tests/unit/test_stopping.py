"""A run that is asked to end: who waits hears of it, and nobody waits for ever."""

import threading
import time
from collections.abc import Callable

import pytest

from archiver.clock import StoppableClock
from archiver.errors import Interrupted
from archiver.stopping import Stop

LONG = 600.0


def soon(call: Callable[[], object]) -> None:
    """Has something called while the test waits."""
    threading.Timer(0.05, call).start()


def test_nobody_asked() -> None:
    """A run that nobody asked to end goes on, and its waits are as long as they should be."""
    stop = Stop()
    assert not stop.asked()
    stop.check()
    before = time.monotonic()
    StoppableClock(stop).sleep(0.3)
    assert time.monotonic() - before >= 0.3
    waits = []
    for seconds in stop.slices(0.3):
        waits.append(seconds)
        time.sleep(seconds)
    assert time.monotonic() - before >= 0.6
    assert len(waits) > 1
    assert list(stop.slices(0)) == []


def test_grace() -> None:
    """What is under way may go on for a while, which no second request makes longer."""
    stop = Stop(grace=0.2)
    stop.ask()
    assert stop.asked()
    stop.check()
    time.sleep(0.2)
    stop.ask()
    with pytest.raises(Interrupted, match="at a safe point"):
        stop.check()


def test_sleep_ends() -> None:
    """Sleeping ends when the run is asked to end, without waiting for any grace."""
    stop = Stop(grace=LONG)
    soon(stop.ask)
    StoppableClock(stop).sleep(LONG)
    assert stop.asked()
    StoppableClock(stop).sleep(LONG)


def test_slices_end() -> None:
    """A wait in slices is broken off when the grace is over."""
    stop = Stop(grace=0.1)
    soon(stop.ask)
    with pytest.raises(Interrupted):
        for seconds in stop.slices():
            time.sleep(seconds)


def test_abandonable() -> None:
    """A call in a thread of its own gives what it gives, and raises what it raises."""
    stop = Stop()
    assert stop.abandonable(lambda: 7) == 7

    def fail() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        stop.abandonable(fail)


def test_abandoned() -> None:
    """A call that does not end is left behind when the grace is over."""
    stop, never = Stop(grace=0), threading.Event()
    soon(stop.ask)
    with pytest.raises(Interrupted):
        stop.abandonable(never.wait)
    never.set()


def test_at_once() -> None:
    """What is marked so ends with the request itself, and is not begun after one."""
    stop = Stop(grace=LONG)
    with stop.at_once():
        pass
    with pytest.raises(Interrupted), stop.at_once():
        stop.ask()
    stop.ask()
    with pytest.raises(Interrupted), stop.at_once():
        pytest.fail("begun")
