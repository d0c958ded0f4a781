"""Fetching for a run: one account at a time in a thread, with what its sessions came to."""

from dataclasses import dataclass
from pathlib import Path

from archiver.dispatch import Dispatch, Handing
from archiver.ledger import Ledger
from archiver.ledger.listing import Listing
from archiver.model import Clock, Reporter
from archiver.stages.fetch import fetch
from archiver.stages.fetch_job import Archiving, FetchJob, NoArchiving
from archiver.state import Spool
from archiver.stopping import Stop
from archiver.working import Account


@dataclass(frozen=True, slots=True)
class Fetching:
    """A run's means of fetching.

    Args:
        ledger: where the ledger is.
        spool: where messages land.
        dispatch: archives what has landed; None leaves it in the spool.
        reporter: hears what happens.
        clock: the time.
        stop: whether the run was asked to end.
        limit: the most messages to fetch for each account, None for all.
    """

    ledger: Path
    spool: Spool
    dispatch: Dispatch | None
    reporter: Reporter
    clock: Clock
    stop: Stop
    limit: int | None

    def fetch(self, account: Account) -> None:
        """Fetches what is new; what came of it is written into ``account``, also on failure.

        Raises:
            LoginRefused, ServerUnavailable: the server does not let us, or was lost.
            LocalDiskError: the spool's disk is full.
        """
        assert account.mailbox is not None
        with Ledger.open(self.ledger) as ledger:
            listing = Listing(ledger, account.ledger_account, tries=account.settings.tries)
            job = FetchJob(
                settings=account.settings,
                mailbox=account.mailbox,
                listing=listing,
                spool=self.spool,
                archiving=self._archiving(account),
                reporter=self.reporter,
                clock=self.clock,
                stopping=lambda: self.stop.asked() or self._is_refused(account),
                stop=self.stop,
                limit=self.limit,
                tally=account.tally,
            )
            try:
                fetch(job)
            finally:
                account.counts = listing.counts()
                account.unarchived = listing.unarchived()
                account.deletion.gone = listing.gone

    def _is_refused(self, account: Account) -> bool:
        """Whether nothing of this account is archived in this run any more."""
        return self.dispatch is not None and account.settings.name in self.dispatch.refused

    def _archiving(self, account: Account) -> Archiving:
        if self.dispatch is None:
            return NoArchiving()
        return Handing(self.dispatch, account.settings.name)
