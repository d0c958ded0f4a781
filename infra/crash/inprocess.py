"""The command in this process alone: what stands in for what, and where steps are counted.

The code is the real one. Worker processes are done without: what they run is called here, and
whatever crosses their pipe is pickled all the same. The clock is ours, so that waiting costs
nothing; batches are small, so that few messages make many steps.
"""

import pickle
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, cast
from unittest.mock import patch

# What were imported for the first time in some surroundings would keep them for good.
import archiver.pipeline  # noqa: F401
from archiver.clock import StoppableClock
from archiver.errors import ArchiverError
from archiver.pop3 import Session
from archiver.pop3.capabilities import RETIRING_MESSAGES
from archiver.pop3.transport import Transport
from archiver.stages import batching, budget, fetch_session
from archiver.stopping import Stop
from archiver.store import Store, open_store
from archiver.workers import Worker, WorkerBug
from archiver.workers.process import _Server
from archiver.workers.tasks import Claim, Entries
from infra.crash.shim import Action
from infra.faulty_store import Fault, FaultyStore

Step = Callable[[str, bool], Action]
"""Told of one of ``shim.STEPS`` before and after it; says what is to go wrong."""


def no_step(name: str, after: bool) -> Action:
    """Nothing goes wrong."""
    return Action.NOTHING


@dataclass(slots=True)
class Surroundings:
    """What the command meets.

    Args:
        began: when it begins, in seconds since the epoch; waiting is added.
        step: hears of every step.
        store_faults: what happens to which call to the store, from 1.
        batch: after how many messages a batch is closed.
        retiring: how many messages a session may take where QUIT removes them.
        pages: after how many pages the ledger's log is written back.
        waited: how long was waited so far, in seconds.
        calls: the calls to stores so far, which are counted under ``counting``.
    """

    began: float
    step: Step = no_step
    store_faults: Mapping[int, Fault] = field(default_factory=dict)
    batch: int = 3
    retiring: int = RETIRING_MESSAGES
    pages: int = 1000
    waited: float = 0.0
    calls: list[tuple[str, str]] = field(default_factory=list)
    counting: Lock = field(default_factory=Lock)


@contextmanager
def surrounded(by: Surroundings) -> Iterator[None]:
    """Has everything in the package meet these surroundings, which may still be changed.

    Their sizes are those of ``sized``, which costs less to enter.
    """
    with ExitStack() as stack:
        for original, stand_in in (
            (Worker, partial(_Here, by)),
            (StoppableClock, partial(_Clock, by)),
            (open_store, partial(_opened, by)),
        ):
            _replace(stack, original, stand_in)
        for owner, name, value in (
            (sqlite3, "connect", partial(_connected, by, sqlite3.connect)),
            (Transport, "write", _stepping(by, "line", Transport.write)),
            (Session, "quit", _stepping(by, "quit", Session.quit)),
        ):
            stack.enter_context(patch.object(owner, name, value))
        yield


@contextmanager
def sized(by: Surroundings) -> Iterator[None]:
    """Has batches and sessions be as large as the surroundings say."""
    with (
        patch.object(batching, "_MESSAGES", by.batch),
        patch.object(budget, "RETIRING_MESSAGES", by.retiring),
        patch.object(fetch_session, "RETIRING_MESSAGES", by.retiring),
    ):
        yield


def _replace(stack: ExitStack, original: Any, stand_in: Any) -> None:
    """Gives another meaning to a name wherever the package has imported it."""
    modules = [each for name, each in sys.modules.items() if name.startswith("archiver.")]
    for module in modules:
        for name, value in list(vars(module).items()):
            if value is original:
                stack.enter_context(patch.object(module, name, stand_in))


def _stepping(by: Surroundings, name: str, method: Callable[..., Any]) -> Any:
    def stepped(*arguments: Any) -> Any:
        by.step(name, False)
        result = method(*arguments)
        by.step(name, True)
        return result

    return stepped


class _Clock(StoppableClock):
    """Waits by moving on."""

    def __init__(self, by: Surroundings, stop: Stop) -> None:
        super().__init__(stop)
        self._by = by
        self._started = time.monotonic()

    def now(self) -> float:
        return self._by.began + self.monotonic() - self._started

    def monotonic(self) -> float:
        return time.monotonic() + self._by.waited

    def sleep(self, seconds: float) -> None:
        self._by.waited += seconds


class _Connection(sqlite3.Connection):
    """Counts the transactions that outlive it."""

    step: Step = staticmethod(no_step)
    lasting = False

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self.lasting = sql == "BEGIN IMMEDIATE"
        if sql != "COMMIT" or not self.lasting:
            return super().execute(sql, *arguments)
        self.step("commit", False)
        cursor = super().execute(sql, *arguments)
        self.step("commit", True)
        return cursor


def _connected(
    by: Surroundings, connect: Callable[..., sqlite3.Connection], path: Any, *rest: Any, **more: Any
) -> sqlite3.Connection:
    if Path(str(path)).name != "ledger.db":
        return connect(path, *rest, **more)
    connection = cast(_Connection, connect(path, *rest, factory=_Connection, **more))
    connection.step = by.step
    connection.execute(f"PRAGMA wal_autocheckpoint = {by.pages}")
    return connection


class _Stepped(FaultyStore):
    """Tells of each call before and after it; the calls of all stores of a run are one count."""

    def __init__(self, inner: Store, by: Surroundings) -> None:
        super().__init__(inner, by.store_faults)
        self.calls = by.calls
        self._counting = by.counting
        self._step = by.step

    def _next(self, method: str, key: str) -> Fault | None:
        self._step("store", False)
        return super()._next(method, key)

    def _after(self, fault: Fault | None, method: str, key: str) -> None:
        self._step("store", True)
        super()._after(fault, method, key)


def _opened(by: Surroundings, *arguments: Any, **named: Any) -> Store:
    return _Stepped(open_store(*arguments, **named), by)


class _Here(Worker):
    """A worker without a process."""

    def __init__(self, by: Surroundings, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._step = by.step
        self._answers = _Answers()
        self._server = _Server(cast(Any, self._answers))

    def start(self) -> None:
        """As a new process, which knows nothing yet."""
        self._answers = _Answers()
        self._server = _Server(cast(Any, self._answers))
        self._pipe = cast(Any, self._answers)
        self._fresh = True

    def _talk(
        self,
        task: object,
        claim: Callable[[str], bool],
        entries: Callable[[Sequence[Any]], None],
    ) -> Any:
        if self._step("task", False) is Action.FAIL:
            raise EOFError("the worker dies of this task")
        self._answers.ask = claim
        self._answers.take = entries
        try:
            result = self._server._do(_crossed(task))
        except ArchiverError as error:
            raise _crossed(error) from error
        except Exception as error:
            raise WorkerBug(traceback.format_exc()) from error
        if self._step("task", True) is Action.FAIL:
            raise EOFError("the worker dies when it has done this task")
        return _crossed(result)


class _Answers:
    """The worker's end of a pipe whose other end answers at once."""

    def __init__(self) -> None:
        self.ask: Callable[[str], bool] = lambda digest: True
        self.take: Callable[[Sequence[Any]], None] = lambda entries: None
        self._answer = False

    def send(self, message: object) -> None:
        match _crossed(message):
            case Claim(digest):
                self._answer = self.ask(digest)
            case Entries(found):
                self.take(found)
            case other:
                raise TypeError(f"nobody expects {other!r}")

    def recv(self) -> bool:
        return self._answer

    def close(self) -> None:
        """Nothing is open."""


def _crossed(message: Any) -> Any:
    """What arrives at the other end of a pipe."""
    return pickle.loads(pickle.dumps(message))  # noqa: S301 - we just made it
