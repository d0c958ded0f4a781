"""A run's last act: a copy of the ledger, beside it and in the store, once a day.

It makes ``rebuild`` quicker and nothing else: what the copy lacks is in the manifests. So a copy
that fails is a note, not a failure of the run, and the next run tries again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from archiver.archiving import Archivist, Progress
from archiver.dispatch import Dispatch
from archiver.errors import AlreadyRunning, ArchiverError, Interrupted, LedgerDamaged
from archiver.ledger import Ledger
from archiver.ledger.accounts import LedgerAccount, writer
from archiver.ledger.snapshots import describe, is_due, remember, take, thin_out
from archiver.model import Clock, Reporter
from archiver.state import AccountLock, StatePaths
from archiver.workers import KeepSnapshot
from archiver.working import Account

_NAME = "ledger"


@dataclass(frozen=True, slots=True)
class Snapshots:
    """A run's means of keeping copies of the ledger.

    Args:
        ledger: the ledger.
        paths: where it and its copies are.
        dispatch: has a worker put the copy into the store.
        reporter: hears why there is none.
        clock: the time.
        stopping: whether the run was asked to end; there is no copy then.
    """

    ledger: Ledger
    paths: StatePaths
    dispatch: Dispatch
    reporter: Reporter
    clock: Clock
    stopping: Callable[[], bool]

    def keep(self, account: Account) -> None:
        """Takes a copy and puts it into this account's store, if one is due.

        Raises:
            LedgerDamaged: the ledger is, which a copy shows.
        """
        owner, now = account.ledger_account, self.clock.now()
        if self.stopping() or self.dispatch.error or not is_due(self.ledger, owner.store, now):
            return
        try:
            self.paths.create_snapshots()
            with AccountLock(self.paths.snapshots, _NAME, "snapshot"):
                self._keep(owner, now)
        except LedgerDamaged:
            raise
        except (AlreadyRunning, Interrupted):
            # Another process is at it, or the next run will be.
            return
        except ArchiverError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self.reporter.note(_NAME, f"there is no copy of it today: {error.message}{hint}")

    def _keep(self, owner: LedgerAccount, now: float) -> None:
        file = take(self.paths.ledger, self.paths.snapshots, now, stopping=self.stopping)
        thin_out(self.paths.snapshots)
        snapshot = describe(file, owner.store, writer(self.ledger), now, version("pop3-archiver"))
        put = _Put(KeepSnapshot(file, snapshot))
        self.dispatch.assign(owner.name, "copy of the ledger", put)
        self.dispatch.drain()
        if (error := put.error or self.dispatch.error) is not None:
            raise error
        if put.done:
            remember(self.ledger, owner.store, snapshot)


class _Put:
    """The work of a thread with a worker; what goes wrong with it is no business of others."""

    def __init__(self, task: KeepSnapshot) -> None:
        self._task = task
        self.done = False
        self.error: ArchiverError | None = None

    def __call__(self, archivist: Archivist, _piece: str) -> Progress:
        try:
            archivist.worker.run(self._task)
            self.done = True
        except ArchiverError as error:
            self.error = error
        return Progress()
