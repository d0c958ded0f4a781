"""A deletion reads copies back first: the store's own word, or an older proof, is not enough."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prune_helpers import VERIFIED, left
from stage_helpers import Desk, box, desk, octets_of

from archiver.archiving import Archivist, Chains, Steps
from archiver.deleting import Deleting, Order, Planned
from archiver.dispatch import Dispatch
from archiver.errors import ArchiverError, DeletionStopped, IntegrityError
from archiver.ledger import Ledger, copies
from archiver.ledger.accounts import begin_run
from archiver.mailbox import Mailbox
from archiver.model import Kind
from archiver.pop3 import Credentials
from archiver.stages.prune_plan import Verdict
from archiver.stages.read_back import read_back
from archiver.store import Hazard, Store, payload_of
from archiver.store.memory import MemoryStore
from archiver.workers import Claims, Hazards, Leases, ProveAgain, Worker
from archiver.working import Account
from infra.faulty_store import Fault, FaultyStore, reads


class Reader(Worker):
    """A worker without a process that does what a deletion asks of one."""

    def __init__(self, made: Desk, store: Store, hazards: tuple[Hazard, ...]) -> None:
        super().__init__(lambda: pytest.fail("no process is to be started"), made.stop)
        self._store = store
        self._hazards = hazards

    def run(self, task: Any, **_: Any) -> Any:
        """Does the task as the process would."""
        if isinstance(task, Hazards):
            return self._hazards
        assert isinstance(task, ProveAgain)
        return read_back(task.copies, self._store, checksum=task.checksum)


class Office:
    """A mailbox that is archived into a store in memory, and deletions from it.

    ``failures`` are the errors that did not end a deletion.
    """

    def __init__(self, made: Desk) -> None:
        self.desk = made
        self.store: Store = MemoryStore()
        self.hazards: tuple[Hazard, ...] = ()
        self.failures: list[ArchiverError] = []
        made.set(deletion=VERIFIED)
        made.run()
        made.archive()
        for octets in made.archived:
            payload = payload_of(octets)
            copy = copies.find(made.ledger, made.owner, Kind.RAW, payload.sha256)
            assert copy is not None
            self.store.put(copy.locator.key, payload, content_type="message/rfc822")
            copies.record_proofs(made.ledger, made.owner, [copy], made.clock.now())

    def delete(self, **order: Any) -> Account:
        """One deletion; what it raises comes through."""
        made = self.desk
        path = made.directory / "ledger.db"
        account = Account(
            made.settings,
            made.owner,
            begin_run(made.ledger, made.owner, "prune", made.clock.now()),
            made.clock.now(),
            mailbox=None if order.get("dry_run") else self._mailbox(),
        )
        dispatch = Dispatch(2, self._archivist, made.spool, made.stop.asked, made.listener)
        deleting = Deleting(
            path,
            made.spool,
            dispatch,
            made.listener,
            made.clock,
            made.stop,
            Order(**order),
            lambda _, error: self.failures.append(error),
        )
        try:
            deleting.delete(account)
        finally:
            dispatch.close()
        return account

    def _mailbox(self) -> Mailbox:
        return Mailbox(self.desk.place, Credentials("user", "secret"))

    def _archivist(self) -> Archivist:
        made = self.desk
        return Archivist(
            ledger=Ledger.open(made.directory / "ledger.db"),
            worker=Reader(made, self.store, self.hazards),
            spool=made.spool,
            claims=Claims(),
            leases=Leases(made.clock),
            chain=Chains(),
            entries=lambda entries: None,
            reporter=made.listener,
            clock=made.clock,
            steps=Steps(),
        )


@contextmanager
def office(directory: Path, *words: str, **faults: Any) -> Iterator[Office]:
    """A mailbox of these messages, archived."""
    with desk(directory, box(*words), **faults) as made:
        yield Office(made)


def test_what_is_read_back_goes(tmp_path: Path) -> None:
    """Copies that the store gives once more let their messages go."""
    with office(tmp_path, "a", "b") as made:
        account = made.delete()
        assert left(made.desk) == []
        assert (account.deletion.planned, account.deletion.deleted) == (2, 2)
        assert made.failures == []


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ROTTEN])
def test_older_proof_is_not_enough(tmp_path: Path, fault: Fault) -> None:
    """A copy that cannot be read now keeps its message, though proven in this very second."""
    with office(tmp_path, "a", "b") as made:
        made.store = FaultyStore(made.store, {1: fault}, reads)
        account = made.delete()
        assert len(left(made.desk)) == 1
        assert account.deletion.kept == {Verdict.UNREADABLE: 1}
        assert [type(error) for error in made.failures] == [IntegrityError]


def test_one_copy_is_said_in_one_line(tmp_path: Path) -> None:
    """Every copy that could not be read back is named."""
    with office(tmp_path, "a", "b") as made:
        made.store = FaultyStore(made.store, {1: Fault.LOST, 2: Fault.LOST}, reads)
        made.delete()
        named = [note for note in made.desk.listener.notes if "cannot be read" in note]
        assert len(named) == 2
        assert len(left(made.desk)) == 2


def test_damage_is_told_whatever_else_happens(tmp_path: Path) -> None:
    """That copies are damaged is told even where the server then refuses."""
    with office(tmp_path, "a", "b", undeletable={1, 2}) as made:
        made.store = FaultyStore(made.store, {1: Fault.ROTTEN}, reads)
        with pytest.raises(DeletionStopped, match="1 the server refused to delete it"):
            made.delete()
        assert [type(error) for error in made.failures] == [IntegrityError]
        assert len(left(made.desk)) == 2


def test_object_that_fails(tmp_path: Path) -> None:
    """One object that the store has and does not give keeps its message, and no other."""
    with office(tmp_path, "a", "b") as made:
        made.store = FaultyStore(made.store, {1: Fault.BEFORE}, reads)
        account = made.delete()
        assert account.deletion.kept == {Verdict.UNREADABLE: 1}
        assert account.deletion.deleted == 1
        assert [type(error) for error in made.failures] == [IntegrityError]


def test_store_that_fails(tmp_path: Path) -> None:
    """Where the store cannot be asked, nothing is deleted, and nothing is said of its integrity."""
    with office(tmp_path, "a") as made:
        made.store = FaultyStore(made.store, dict.fromkeys(range(9), Fault.BEFORE))
        account = made.delete()
        assert left(made.desk) == [octets_of("a")]
        assert account.deletion.kept == {Verdict.UNREADABLE: 1}
        assert made.failures == []


def test_store_that_may_take_copies_away(tmp_path: Path) -> None:
    """A hazard of the store stops a deletion before anything is read or asked."""
    with office(tmp_path, "a") as made:
        made.hazards = (Hazard("the rule 'x' deletes mail", "take it away"),)
        sessions = made.desk.server.sessions
        with pytest.raises(DeletionStopped, match="the rule 'x' deletes mail"):
            made.delete()
        assert made.desk.server.sessions == sessions


def test_dry_run_asks_no_server(tmp_path: Path) -> None:
    """A plan is shown without a password, also for a server that retires what was retrieved."""
    with office(tmp_path, "a", expire=0) as made:
        assert made.desk.owner.retires
        sessions = made.desk.server.sessions
        shown: list[Planned] = []
        made.delete(dry_run=True, show=shown.append)
        assert [each.verdict for each in shown] == [Verdict.GOES]
        assert made.desk.server.sessions == sessions
