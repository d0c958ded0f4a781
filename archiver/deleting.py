"""Deletion on the server: plan, look at the plan, prove the copies again, and only then act.

Each step can only take messages out of the plan: what policy keeps, what the bucket's own rules may
take away, what cannot be read back from the store now, what the server does not show to be what is
archived. A plan that is too large to be meant stops before anything is asked of the server.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from archiver.archiving import Archivist, Progress
from archiver.dispatch import Dispatch, Handing, Work
from archiver.errors import ArchiverError, DeletionStopped, IntegrityError, StoreError
from archiver.ledger import Ledger, copies
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.accounts import account as account_now
from archiver.ledger.listing import Listing
from archiver.ledger.pruning import Pruning
from archiver.model import Clock, Reporter
from archiver.stages.fetch_job import FetchJob, Tally
from archiver.stages.prune import confirm, look, prune
from archiver.stages.prune_plan import WORDS, Verdict, brake, judge, stopped
from archiver.stages.read_back import ReadBack
from archiver.state import Spool
from archiver.stopping import Stop
from archiver.store import Hazard
from archiver.workers import Hazards, ProveAgain
from archiver.working import Account

_PIECES_AT_ONCE = 16
_WAIT_SECONDS = 60.0
_NAMED_AT_MOST = 20
_LEFT_BEHIND = (Verdict.NOT_SHOWN, Verdict.REFUSED, Verdict.STILL_LISTED)

Piece = tuple[str, Work]
"""A piece of work for the workers, by its name."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One message of a plan, as a person sees it; ``size`` in octets."""

    account: str
    uidl: str | None
    digest: str | None
    size: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked of a deletion beyond what the settings say.

    Attributes:
        dry_run: stop when the plan is made, and show each message of it.
        empty: a mailbox may be emptied, and ``max_delete`` exceeded.
        show: takes each message of a plan that is only shown.
    """

    dry_run: bool = False
    empty: bool = False
    show: Callable[[Planned], None] = lambda planned: None


NO_ORDER = Order()


class Deleting:
    """One run's means of deleting, used by a thread for each account.

    Args:
        ledger: where the ledger is.
        spool: where link batches would wait; nothing is fetched here.
        dispatch: has the workers that ask the store.
        reporter: hears what happens.
        clock: the time.
        stop: whether the run was asked to end.
        order: what a person asked for.
        failed: hears what went wrong and does not end a deletion.
    """

    def __init__(
        self,
        ledger: Path,
        spool: Spool,
        dispatch: Dispatch,
        reporter: Reporter,
        clock: Clock,
        stop: Stop,
        order: Order,
        failed: Callable[[Account, ArchiverError], None],
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._dispatch = dispatch
        self._reporter = reporter
        self._clock = clock
        self._stop = stop
        self._order = order
        self._failed = failed
        self._hazards: tuple[Hazard, ...] | None = None
        self._asking = threading.Lock()

    def delete(self, account: Account) -> None:
        """Deletes what an account's policy permits; what came of it is in ``account.deletion``.

        Raises:
            DeletionStopped: the plan is too large, the bucket's rules stand in the way, or some of
                it stays on the server.
            LoginRefused, ServerUnavailable: the server does not let us, or was lost.
        """
        with Ledger.open(self._ledger) as ledger:
            owner = account_now(ledger, account.ledger_account.row)
            pruning, done = Pruning(ledger, owner), account.deletion
            listing = Listing(ledger, owner, tries=account.settings.tries)
            try:
                self._plan(account, pruning, listing)
                if not self._order.dry_run:
                    self._act(account, pruning, listing)
            finally:
                counts = pruning.counts()
                done.kept = {key: n for key, n in sorted(counts.items()) if key != Verdict.GOES}
                done.gone += listing.gone

    def _plan(self, account: Account, pruning: Pruning, listing: Listing) -> None:
        policy, now = account.settings.deletion, self._clock.now()
        pruning.plan(lambda present: judge(present, policy, now))
        if listing.account.retires and not self._order.dry_run:
            # What was retrieved there has left the listing and is ARCHIVED all the same.
            look(self._job(account, listing))
            pruning.require_listed(Verdict.GOES, Verdict.UNLISTED)
        account.deletion.planned = pruning.counts()[Verdict.GOES]
        try:
            self._hold_back(account, pruning)
        finally:
            if self._order.dry_run:
                for verdict, uidl, digest, size in pruning.entries():
                    name = account.settings.name
                    self._order.show(Planned(name, uidl, digest, size, Verdict(verdict)))

    def _act(self, account: Account, pruning: Pruning, listing: Listing) -> None:
        self._prove(account, pruning)
        job = self._job(account, listing)
        try:
            if pruning.counts()[Verdict.GOES]:
                prune(job, pruning, empty=self._order.empty)
            else:
                confirm(job)
        finally:
            account.deletion.deleted = pruning.sent(Verdict.GOES)
        counts = pruning.counts()
        stay = {str(key): counts[key] for key in _LEFT_BEHIND if counts[key]}
        if stay:
            raise DeletionStopped(
                f"not deleted: {words(stay)}",
                hint="run again: what is new is fetched, and what was refused is tried once more",
            )

    def _job(self, account: Account, listing: Listing) -> FetchJob:
        assert account.mailbox is not None
        return FetchJob(
            settings=account.settings,
            mailbox=account.mailbox,
            listing=listing,
            spool=self._spool,
            archiving=Handing(self._dispatch, account.settings.name),
            reporter=self._reporter,
            clock=self._clock,
            stopping=self._stop.asked,
            stop=self._stop,
            tally=Tally(warned=account.tally.warned),
        )

    def _hold_back(self, account: Account, pruning: Pruning) -> None:
        """Sees whether the plan may be carried out at all."""
        policy, going = account.settings.deletion, account.deletion.planned
        if not going:
            return
        if not policy.delete_despite_lifecycle and (hazards := self._ask_hazards()):
            pruning.change(Verdict.GOES, Verdict.LIFECYCLE)
            raise DeletionStopped(
                f"nothing is deleted: {hazards[0].line}",
                hint=f"{hazards[0].hint}; or set delete_despite_lifecycle = true",
            )
        counts = pruning.counts()
        reason = brake(going, counts.total() - counts[Verdict.UNLISTED], policy)
        if reason is not None and not self._order.empty:
            raise stopped(reason)

    def _ask_hazards(self) -> tuple[Hazard, ...]:
        with self._asking:
            asked = self._hazards is not None or self._do([("rules of the store", self._ask)])
            if not asked and not self._stop.asked():
                raise StoreError("the rules of the store could not be read, so nothing is deleted")
            return self._hazards or ()

    def _ask(self, archivist: Archivist, _piece: str) -> Progress:
        self._hazards = archivist.worker.run(Hazards())
        return Progress()

    def _prove(self, account: Account, pruning: Pruning) -> None:
        """Has the copies of all that is to go proven now, and takes the others out of the plan."""
        owner, damaged = account.ledger_account, 0
        by_checksum = account.settings.deletion.delete_proof == "checksum"
        numbered = enumerate(pruning.to_read(Verdict.GOES))
        while some := list(islice(numbered, _PIECES_AT_ONCE)):
            results: list[ReadBack] = []
            pieces: list[Piece] = [
                (
                    f"copies of {owner.name}, {number}",
                    partial(self._read_back, owner, ProveAgain(tuple(piece), by_checksum), results),
                )
                for number, piece in some
            ]
            self._do(pieces)
            for result in tuple(results):
                pruning.note_proven(result.proven)
                damaged += len(result.failed)
        pruning.require_proven(Verdict.GOES, Verdict.UNREADABLE)
        if damaged:
            self._failed(
                account,
                IntegrityError(
                    f"{damaged:,} copies could not be read back: their messages are not deleted",
                    hint="archiver audit --read-data looks at all copies, --repair uploads again",
                ),
            )

    def _read_back(
        self,
        owner: LedgerAccount,
        task: ProveAgain,
        results: list[ReadBack],
        archivist: Archivist,
        _piece: str,
    ) -> Progress:
        result: ReadBack = archivist.worker.run(task)
        copies.record_proofs(archivist.ledger, owner, result.proven, self._clock.now())
        results.append(result)
        for copy, reason in result.failed[:_NAMED_AT_MOST]:
            self._reporter.note(owner.name, f"{copy.locator.key} {reason}")
        return Progress()

    def _do(self, pieces: list[Piece]) -> bool:
        """Has pieces of work done by the workers; False where the store fails or the run ends."""
        for name, work in pieces:
            self._dispatch.assign("", name, work)
        names = [name for name, _ in pieces]
        while (done := self._dispatch.wait_archived(names, _WAIT_SECONDS)) is None:
            if self._stop.asked():
                return False
        return done


def words(kept: Mapping[str, int]) -> str:
    """What stays, for a person: ``3 archived too recently, 1 has a problem``."""
    return ", ".join(f"{count:,} {WORDS[Verdict(verdict)]}" for verdict, count in kept.items())
