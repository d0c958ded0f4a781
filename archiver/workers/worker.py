"""A worker process as the main process sees it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from archiver.errors import ArchiverError, Interrupted
from archiver.stopping import Stop
from archiver.workers.tasks import (
    Archive,
    Claim,
    Done,
    Entries,
    Failed,
    GiveUpLease,
    Hazards,
    KeepSnapshot,
    Prepare,
    ProveAgain,
    PutFile,
    PutManifest,
    Read,
    Relock,
    TakeLease,
)

if TYPE_CHECKING:
    from archiver.index import Entry, Location

Task = (
    Archive
    | GiveUpLease
    | Hazards
    | KeepSnapshot
    | Prepare
    | ProveAgain
    | PutFile
    | PutManifest
    | Read
    | Relock
    | TakeLease
)

_PATIENCE_SECONDS = 5.0
_START = "from archiver.workers.process import main; main()"
# Ctrl-C and a service manager's stop reach every process; the main one decides what they mean.
_FOR_MAIN = (signal.SIGINT, signal.SIGTERM)


class WorkerDied(ArchiverError):
    """The process ended in the middle of a task."""

    exit_code = 3


class WorkerBug(Exception):
    """The task raised what nobody expected; carries the worker's traceback."""


class Worker:
    """One worker, used by one thread at a time; its process starts with its first task.

    Args:
        prepare: what each new process is told about the store before anything else.
        stop: ends the process in the middle of its task. All that a worker does can be repeated.
    """

    def __init__(self, prepare: Callable[[], Prepare], stop: Stop) -> None:
        self._prepare = prepare
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._fresh = True

    def run(
        self,
        task: Task,
        *,
        claim: Callable[[str], bool] = lambda digest: True,
        entries: "Callable[[Sequence[tuple[Entry, Location]]], None]" = lambda entries: None,
    ) -> Any:
        """Has a task done, and serves its questions meanwhile.

        Args:
            task: what to do.
            claim: whether the task is the one to put a part.
            entries: takes what the index should hold.

        Returns:
            ``Archived`` for ``Archive``, ``Capabilities`` for ``Prepare``, the hazards for
            ``Hazards``, ``ReadBack`` for ``ProveAgain``, else None.

        Raises:
            Interrupted: the run should have ended by now, or the process ended when it was to end.
            WorkerDied: the process ended; the next task gets a new one.
            ArchiverError: the task failed as tasks may.
            WorkerBug: it failed as none should.
        """
        try:
            self._stop.check()
            if self._pipe is None:
                self.start()
            if self._fresh and not isinstance(task, Prepare):
                self._talk(self._prepare(), claim, entries)
            self._fresh = False
            return self._talk(task, claim, entries)
        except Interrupted:
            self.kill()
            self.close()
            raise
        except (EOFError, OSError) as error:
            self.kill()
            self.close()
            if self._stop.asked():
                raise Interrupted from error
            raise WorkerDied(
                "a worker process was ended in the middle of its work",
                hint="the system's log may say why, as when memory is short; nothing is lost",
            ) from error

    def _talk(
        self,
        task: object,
        claim: Callable[[str], bool],
        entries: "Callable[[Sequence[tuple[Entry, Location]]], None]",
    ) -> Any:
        assert self._pipe is not None
        self._pipe.send(task)
        while True:
            match self._hear(self._pipe):
                case Claim(digest):
                    self._pipe.send(claim(digest))
                case Entries(found):
                    entries(found)
                case Done(result):
                    return result
                case Failed(error, trace):
                    raise error if error is not None else WorkerBug(trace)

    def _hear(self, pipe: "Connection[Any, Any]") -> object:
        for seconds in self._stop.slices():
            if pipe.poll(seconds):
                break
        return pipe.recv()

    def start(self) -> None:
        """Starts the process, which takes half a second until it hears its first task."""
        ours, theirs = Pipe()
        # What is blocked here stays blocked in the process, from its first instruction on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_MAIN)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _START, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._pipe = ours
        self._fresh = True

    def close(self) -> None:
        """Lets the process end, if there is one, and makes sure that it does."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            try:
                self._process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._pipe = self._process = None

    def kill(self) -> None:
        """Ends the process at once, whatever it does."""
        if self._process is not None:
            self._process.kill()
