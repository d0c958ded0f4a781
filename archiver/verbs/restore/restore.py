"""Puts archived messages into folders of an IMAP account: all of them, each once.

Folder by folder, the oldest message first. Before anything is put into a folder, what lies there
and is not recorded is looked at, so that a message whose answer was lost (a connection that broke,
a run that was killed) is met there and not put again. What is in a folder is recorded before the
next batch is sent; what was recorded is not put again, though somebody deleted it there since.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from archiver.config import StoreSettings
from archiver.errors import Interrupted, ServerUnavailable, SessionLost
from archiver.imap import FolderRefused, ImapSession
from archiver.index import Index
from archiver.model import Reporter
from archiver.query import Query
from archiver.restored import Counts, Refused, Restored
from archiver.state import AccountLock, StatePaths
from archiver.stopping import Stop
from archiver.verbs.restore.filling import Filling, Manner
from archiver.verbs.restore.folders import Pattern
from archiver.verbs.restore.planning import FolderPlan, Planner
from archiver.verbs.restore.reading import THREADS, Reader
from archiver.verbs.stored import stored_messages

_RECONNECTS = 5
_FIRST_WAIT = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go.

    Args:
        name: the account, as ``user@host:port``.
        pattern: which folder a message belongs into.
        session: makes a session that is signed in.
        flags: which each message gets.
        again: also what was restored before, where it is not there any more.
    """

    name: str
    pattern: Pattern
    session: Callable[[], ImapSession]
    flags: tuple[str, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Before:
    """How a folder stands before anything is done: ``holds`` is None where there is no folder."""

    plan: FolderPlan
    holds: int | None
    counts: Counts


class Restoring:
    """One restore, planned and ready to go; see ``restoring``.

    Attributes:
        folders: those that it is about.
        damaged: octets of the archive could not be had.
        unindexed: how many archived messages are not in the index, and so in no query's answer.
    """

    def __init__(
        self,
        target: Target,
        restored: Restored,
        reader: Reader,
        reporter: Reporter,
        stop: Stop,
    ) -> None:
        self._target = target
        self._restored = restored
        self._reader = reader
        self._reporter = reporter
        self._stop = stop
        self._losses = 0
        self._told = False
        self._session: ImapSession | None = None
        self.folders: list[FolderPlan] = []
        self.damaged = False
        self.unindexed = 0

    def plan(self, index: Index, query: Query) -> None:
        """Finds out what goes where."""
        planner = Planner(
            self._restored, self._target.name, self._target.pattern, self._connected().name_of
        )
        self.folders = planner.plan(index, query)

    def before(self) -> Iterator[Before]:
        """How each folder stands; nothing is changed at the server."""
        session = self._connected()
        for plan in self.folders:
            name = session.find(plan.name)
            holds = None if name is None else len(session.look(name)[1])
            yield Before(plan, holds, self.counts(plan))

    def counts(self, plan: FolderPlan) -> Counts:
        """What became of what was wanted of a folder."""
        return self._restored.counts(plan.row)

    def refused(self, plan: FolderPlan) -> Iterator[Refused]:
        """What was not restored into a folder."""
        return self._restored.refused(plan.row)

    def run(self) -> None:
        """Restores everything.

        Raises:
            ServerUnavailable: the server was lost and does not come back.
            LoginRefused: it does not let us in any more.
            StoreError: the store cannot be reached or refuses.
            Interrupted: the run was asked to end.
        """
        total = sum(self.counts(plan).wanted for plan in self.folders)
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            if count:
                self._losses = 0
                self._reporter.progress(self._target.name, "restore", done, total)

        manner = Manner(self._target.flags, self._target.again)
        for plan in self.folders:
            counts = self.counts(plan)
            if counts.wanted or (counts.known and self._target.again):
                filling = Filling(plan, manner, self._restored, self._reader, self._stop, progress)
                self._fill(filling)
                self.damaged |= filling.damaged
                self._tell_name(plan, filling)

    def _tell_name(self, plan: FolderPlan, filling: Filling) -> None:
        if filling.name != plan.name and not self._told:
            self._told = True
            self._reporter.note(
                self._target.name,
                f"the server takes no dots in names: {plan.name} is {filling.name} there",
            )

    def _fill(self, filling: Filling) -> None:
        """Fills one folder, however often the connection is lost on the way."""
        while True:
            try:
                filling.fill(self._connected())
                return
            except FolderRefused as error:
                filling.give_up(error)
                return
            except SessionLost as error:
                self.drop()
                self._wait(error)
                filling.lost()

    def _wait(self, error: ServerUnavailable) -> None:
        """Waits before the connection is made again, longer each time."""
        self._losses += 1
        if self._losses > _RECONNECTS:
            raise ServerUnavailable(
                f"{error.message}; {_RECONNECTS} more connections came to nothing",
                hint="run the same command again later: it goes on where this one ended",
            ) from error
        self._reporter.note(self._target.name, f"{error.message}: connecting again")
        self._stop.sleep(_FIRST_WAIT * 2 ** (self._losses - 1))
        if self._stop.asked():
            raise Interrupted

    def _connected(self) -> ImapSession:
        while self._session is None:
            try:
                self._session = self._target.session()
            except ServerUnavailable as error:
                # The first time somebody may have mistyped the name.
                if not self._losses:
                    raise
                self._wait(error)
        return self._session

    def drop(self) -> None:
        """Ends the connection at once."""
        if self._session is not None:
            self._session.drop()
            self._session = None

    def close(self) -> None:
        """Takes leave of the server."""
        if self._session is not None:
            self._session.leave()
            self._session = None


@contextmanager
def restoring(
    store: StoreSettings,
    paths: StatePaths,
    target: Target,
    query: Query,
    *,
    reporter: Reporter,
    stop: Stop,
) -> Iterator[Restoring]:
    """Plans a restore; it holds the lock of its target until it is over.

    Args:
        store: where the archive is.
        paths: the state directory, with the index and the record of what was restored.
        target: where messages go.
        query: which.
        reporter: hears how it goes on.
        stop: asks it to end.

    Raises:
        UsageError: nothing is indexed, or the record cannot be used.
        AlreadyRunning: another one restores into this account.
        ServerUnavailable: the server cannot be reached.
        LoginRefused: it does not let us in.
    """
    with ExitStack() as stack:
        index = stack.enter_context(closing(Index.open(paths.index, read_only=True)))
        paths.create()
        stack.enter_context(AccountLock(paths.locks, f"{target.name} (IMAP)", "restore"))
        stored = stack.enter_context(stored_messages(store, paths, threads=THREADS))
        restored = stack.enter_context(Restored.open(paths.restored))
        made = Restoring(target, restored, Reader(index, stored), reporter, stop)
        # Whatever ends it, the server is not kept waiting.
        stack.callback(made.drop)
        made.unindexed = stored.unindexed()
        made.plan(index, query)
        yield made
        made.close()
