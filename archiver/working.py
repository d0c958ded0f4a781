"""An account while a run works on it: what it began with, and what came of it so far."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from archiver.config import AccountSettings
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.seen import Counts
from archiver.mailbox import Mailbox
from archiver.stages.fetch_job import Tally


@dataclass(slots=True)
class Deleted:
    """What became of an account's plan: messages that could go, that stay and why, that went.

    ``kept`` has a count for each verdict but ``goes``. ``deleted`` were sent DELE and QUIT;
    ``gone`` are the messages, deleted now or earlier, that a listing no longer shows.
    """

    planned: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    deleted: int = 0
    gone: int = 0


@dataclass(slots=True)
class Account:
    """One account of a run, under its lock.

    ``run`` is the ledger's row of this run, ``started`` when it began, in seconds since the epoch.
    ``counts`` is what became of the messages that were listed, None where nothing is fetched;
    ``unarchived`` are, by their ends, the rows of those in the spool; ``codes`` are the exit codes
    of what went wrong, ``deletion`` what was deleted on the server.
    """

    settings: AccountSettings
    ledger_account: LedgerAccount
    run: int
    started: float
    mailbox: Mailbox | None = None
    counts: Counts | None = None
    unarchived: Mapping[str, "array[int]"] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    codes: list[int] = field(default_factory=list)
    deletion: Deleted = field(default_factory=Deleted)
