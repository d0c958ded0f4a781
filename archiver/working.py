"""An account while a run works on it: what it began with, and what came of it so far."""

from dataclasses import dataclass, field

from archiver.config import AccountSettings
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.seen import Counts
from archiver.mailbox import Mailbox
from archiver.stages.fetch_job import Tally


@dataclass(slots=True)
class Account:
    """One account of a run, under its lock.

    ``run`` is the ledger's row of this run, ``started`` when it began, in seconds since the epoch.
    ``counts`` is what became of the messages that were listed, None where nothing is fetched;
    ``stuck`` are the rows of listed messages whose upload failed before, ``codes`` the exit codes
    of what went wrong.
    """

    settings: AccountSettings
    ledger_account: LedgerAccount
    run: int
    started: float
    mailbox: Mailbox | None = None
    counts: Counts | None = None
    stuck: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    codes: list[int] = field(default_factory=list)
