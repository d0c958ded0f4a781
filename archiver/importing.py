"""Importing for a run: the paths that a person named, one after the other, into one account."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from archiver.dispatch import Dispatch, Handing
from archiver.ledger import Ledger
from archiver.ledger.importing import Importing
from archiver.model import Clock, Reporter
from archiver.sources import Source
from archiver.stages.bring import BringJob, bring
from archiver.state import Spool
from archiver.working import Account


@dataclass(frozen=True, slots=True)
class Bringing:
    """A run's means of importing.

    Args:
        sources: what is imported.
        ledger: where the ledger is.
        spool: where messages land.
        dispatch: archives what has landed.
        reporter: hears what happens.
        clock: the time.
        stopping: whether the run was asked to end.
    """

    sources: Sequence[Source]
    ledger: Path
    spool: Spool
    dispatch: Dispatch
    reporter: Reporter
    clock: Clock
    stopping: Callable[[], bool]

    def bring(self, account: Account) -> None:
        """Imports all of it; what came of it is written into ``account``, also on failure.

        Raises:
            LocalDiskError: the spool's disk is full, or there is no room to unpack an Outlook file.
        """
        name = account.settings.name
        with Ledger.open(self.ledger) as ledger:
            importing = Importing(ledger, account.ledger_account)
            job = BringJob(
                importing=importing,
                max_message=account.settings.max_message,
                spool=self.spool,
                archiving=Handing(self.dispatch, name),
                reporter=self.reporter,
                clock=self.clock,
                stopping=lambda: self.stopping() or name in self.dispatch.refused,
                tally=account.tally,
            )
            try:
                self._bring(job)
            finally:
                account.counts = importing.counts()
                account.unarchived = importing.unarchived()

    def _bring(self, job: BringJob) -> None:
        left_out: Counter[str] = Counter()
        for source in self.sources:
            with closing(source):
                whole = bring(job, source.letters())
            left_out += source.left_out
            if not whole:
                break
        if not job.importing.counts().listed and not job.stopping():
            job.reporter.note(job.name, "no mail was found there")
        for what, count in left_out.items():
            job.reporter.note(job.name, f"left out: {count:,} {what}")
