"""Landed batches on their way through threads, with work that is only as told."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from archiver.archiving import Archivist, Deferred, Progress
from archiver.dispatch import Dispatch
from archiver.errors import AlreadyRunning, Interrupted, StoreError
from archiver.state import Spool

WAIT = 5.0


class Hand:
    """What a thread is given in place of its means of archiving; counts how often it is closed."""

    def __init__(self, archive: Callable[[str], Progress]) -> None:
        self.closed = 0
        self.worker = self.ledger = self.steps = self
        self.verify = True
        self.archive = archive

    def close(self) -> None:
        """Closes worker and ledger alike."""
        self.closed += 1


class Office:
    """A dispatch whose every part a test can reach."""

    def __init__(self, directory: Path, count: int = 2) -> None:
        self.hands: list[Hand] = []
        self.spool = Spool(directory, 100)
        self.stop = False
        self.done: list[str] = []
        self.work: Callable[[str], Progress] = lambda batch: Progress(archived=1)
        self.making: Callable[[], None] = lambda: None
        self.reporting: Callable[[], None] = lambda: None
        self.dispatch = Dispatch(count, self._make, self.spool, lambda: self.stop, cast(Any, self))

    def _make(self) -> Archivist:
        self.making()
        self.hands.append(Hand(self._do))
        return cast(Archivist, self.hands[-1])

    def _do(self, batch: str) -> Progress:
        progress = self.work(batch)
        self.done.append(batch)
        return progress

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """Hears how far an account is."""
        self.reporting()

    def waiting(self, account: str, seconds: float) -> None:
        """Nobody waits here."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A dispatch of two threads, which has ended when the test has."""
    made = Office(tmp_path)
    before = threading.active_count()
    yield made
    made.dispatch.close()
    assert threading.active_count() <= before
    assert all(hand.closed == 2 for hand in made.hands)


def fails(error: Exception) -> Callable[..., Any]:
    """Something that raises."""

    def fail(*_: object) -> Any:
        raise error

    return fail


def test_nothing_to_do(office: Office) -> None:
    """A run without batches starts no thread and waits for none."""
    office.dispatch.drain()
    assert office.dispatch.wait_archived([], 0) is True
    assert office.hands == []


def test_batches_are_archived(office: Office) -> None:
    """Every batch is archived and counted, by as many threads as were allowed."""
    for number in range(20):
        office.dispatch.landed("me", str(number))
    office.dispatch.drain()
    assert sorted(office.done, key=int) == [str(number) for number in range(20)]
    assert office.dispatch.archived == {"me": 20}
    assert 1 <= len(office.hands) <= 2
    assert office.dispatch.error is None


def test_other_work(office: Office) -> None:
    """Other pieces of work are done beside batches, each by what it came with."""
    seen: list[str] = []

    def work(archivist: Archivist, piece: str) -> Progress:
        seen.append(piece)
        return Progress(read=3)

    office.dispatch.landed("me", "a")
    office.dispatch.assign("me", "b", work)
    office.dispatch.drain()
    assert (office.done, seen) == (["a"], ["b"])
    assert (office.dispatch.archived["me"], office.dispatch.read["me"]) == (1, 3)


def test_waiting(office: Office) -> None:
    """Whoever waits is told True when all is archived, and None when time is up before."""
    go = threading.Event()
    office.work = lambda batch: Progress(archived=int(go.wait(WAIT)))
    office.dispatch.landed("me", "a")
    assert office.dispatch.wait_archived(["a"], 0.02) is None
    go.set()
    assert office.dispatch.wait_archived(["a"], WAIT) is True


@pytest.mark.parametrize("error", [StoreError("no"), ValueError("a bug")])
def test_error_ends_archiving(office: Office, error: Exception) -> None:
    """After the first error nothing more is archived, and whoever waits hears so at once."""
    office.work = fails(error)
    office.dispatch.landed("me", "a")
    assert office.dispatch.wait_archived(["a"], WAIT) is False
    assert office.dispatch.error is error
    office.work = lambda batch: Progress(archived=1)
    office.dispatch.landed("me", "b")
    assert office.dispatch.wait_archived(["b"], WAIT) is False
    office.dispatch.drain()
    assert office.done == []
    assert office.dispatch.error is error


def test_error_of_one_account(office: Office) -> None:
    """What ends the work for one account leaves the others alone, and nobody waits for it."""

    def work(batch: str) -> Progress:
        if batch.startswith("mine"):
            raise AlreadyRunning(f"another has it: {batch}")
        return Progress(archived=1)

    office.work = work
    office.dispatch.landed("me", "mine")
    assert office.dispatch.wait_archived(["mine"], WAIT) is False
    office.dispatch.landed("me", "mine too")
    office.dispatch.landed("you", "yours")
    office.dispatch.drain()
    assert office.dispatch.error is None
    assert office.dispatch.archived == {"you": 1}
    assert {name: str(error) for name, error in office.dispatch.refused.items()} == {
        "me": "another has it: mine"
    }


def test_means_cannot_be_made(office: Office) -> None:
    """A worker that cannot be made is an error like any other, and nobody waits for ever."""
    office.making = fails(StoreError("no store"))
    office.dispatch.landed("me", "a")
    assert office.dispatch.wait_archived(["a"], WAIT) is False
    office.dispatch.drain()
    assert isinstance(office.dispatch.error, StoreError)


def test_reporter_fails(office: Office) -> None:
    """A terminal that went away does not leave the run waiting."""
    office.reporting = fails(BrokenPipeError())
    office.dispatch.landed("me", "a")
    office.dispatch.drain()
    assert isinstance(office.dispatch.error, BrokenPipeError)


def test_deferred(office: Office) -> None:
    """A batch that has to wait for another is tried once more when all others have ended."""
    tried: list[str] = []

    def work(batch: str) -> Progress:
        tried.append(batch)
        if batch == "late" and tried.count("late") == 1:
            raise Deferred(batch)
        return Progress(archived=1)

    office.work = work
    office.dispatch.landed("me", "late")
    office.dispatch.landed("me", "other")
    office.dispatch.drain()
    assert sorted(office.done) == ["late", "other"]
    assert office.dispatch.error is None


def test_deferred_for_ever(office: Office) -> None:
    """A batch that would wait for ever is an error that names it."""
    office.work = fails(Deferred())
    office.dispatch.landed("me", "late")
    office.dispatch.drain()
    assert "late" in str(office.dispatch.error)


def test_stopping(office: Office) -> None:
    """A run that is asked to end leaves batches in the spool, and keeps nobody waiting."""
    office.stop = True
    office.dispatch.landed("me", "a")
    assert office.dispatch.wait_archived(["a"], WAIT) in (False, None)
    assert office.dispatch.wait_for_space(10) is False
    office.dispatch.drain()
    assert office.done == []


def test_stopping_in_the_middle(office: Office) -> None:
    """What is broken off is no error, nor is a batch that waits for it; the last word is had."""

    def work(batch: str) -> Progress:
        if batch == "other":
            office.stop = True
            raise Interrupted
        raise Deferred(batch)

    office.work = work
    office.dispatch.landed("me", "late")
    office.dispatch.landed("me", "other")
    office.dispatch.drain()
    said: list[str] = []

    def conclude(archivist: Archivist, piece: str) -> Progress:
        said.append(piece)
        return Progress()

    office.dispatch.assign("", "lease", conclude, last=True)
    office.dispatch.drain()
    assert office.dispatch.error is None
    assert said == ["lease"]


def test_broken_off_while_a_worker_is_made(office: Office) -> None:
    """A run that ends while its first worker sees to the store ends without an error."""
    office.making = fails(Interrupted())
    office.dispatch.landed("me", "a")
    office.dispatch.drain()
    assert office.dispatch.error is None
    assert office.done == []


@pytest.mark.parametrize(
    ("used", "octets", "room"), [(0, 500, True), (50, 50, True), (51, 10, False), (40, 70, False)]
)
def test_space(office: Office, used: int, octets: int, room: bool) -> None:
    """There is room when the spool is half empty and takes the next message, or is empty."""
    office.spool.count("me/a.seg", used)
    assert office.dispatch.wait_for_space(octets) is room


def test_waiting_for_space(office: Office) -> None:
    """Whoever waits for room goes on as soon as a batch has left the spool."""
    office.spool.count("me/a.seg", 90)

    def work(batch: str) -> Progress:
        office.spool.remove("me/a.seg")
        return Progress(archived=1)

    office.work = work
    office.dispatch.landed("me", "a")
    assert office.dispatch.wait_for_space(50)


def test_close_twice(office: Office) -> None:
    """Closing ends every thread and worker, and again does nothing."""
    office.dispatch.landed("me", "a")
    office.dispatch.close()
    assert office.done == ["a"]
    office.dispatch.close()


def test_uploads_alone_are_no_archiving(tmp_path: Path) -> None:
    """Where batches are not verified nobody is told that they are archived."""
    office = Office(tmp_path, count=1)
    office.dispatch.landed("me", "a")
    office.dispatch.drain()
    office.hands[0].verify = False
    office.dispatch.landed("me", "b")
    office.dispatch.drain()
    assert office.dispatch.wait_archived(["a"], 0) is True
    assert office.dispatch.wait_archived(["b"], 0) is False
    office.dispatch.close()
