"""What fetching an account takes, and what it has come to so far."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from archiver.config import AccountSettings
from archiver.ledger.accounts import account
from archiver.ledger.listing import Listing
from archiver.mailbox import Mailbox
from archiver.model import Clock, Reporter
from archiver.state import Spool
from archiver.stopping import Stop


class Archiving(Protocol):
    """What becomes of landed batches, as far as a session has to know."""

    def landed(self, batch: str) -> None:
        """A batch is durable and in the ledger."""

    def wait_archived(self, batches: Iterable[str], seconds: float) -> bool | None:
        """Waits for batches: True when all are ARCHIVED, None when time is up, False for never."""

    def wait_for_space(self, octets: int) -> bool:
        """Waits until the spool has room for so many; False when nobody is going to make it."""


class NoArchiving:
    """For fetching alone: what has landed waits in the spool for another run."""

    def landed(self, batch: str) -> None:
        """Nothing follows."""

    def wait_archived(self, batches: Iterable[str], seconds: float) -> bool | None:
        """They never are, in this run."""
        return False

    def wait_for_space(self, octets: int) -> bool:
        """Nobody makes any."""
        return False


@dataclass(frozen=True, slots=True)
class FetchJob:
    """All that fetching one account takes.

    ``limit`` is the most messages to retrieve in this run, None for all of them. ``stopping`` says
    whether nothing new is to be begun, and ``stop`` breaks off what does not end by itself then.
    """

    settings: AccountSettings
    mailbox: Mailbox
    listing: Listing
    spool: Spool
    archiving: Archiving
    reporter: Reporter
    clock: Clock
    stopping: Callable[[], bool]
    stop: Stop
    limit: int | None = None
    tally: "Tally" = field(default_factory=lambda: Tally())

    def reload(self) -> None:
        """Lets later sessions of this run see what was just learnt about the account."""
        self.listing.account = account(self.listing.ledger, self.listing.account.row)


@dataclass(slots=True)
class Tally:
    """What a run has retrieved so far, over all of its sessions.

    ``refused`` counts the messages that the server did not give; their next try is the next run's.
    ``losses`` counts the sessions that were lost while a message, by UIDL and number, was to come.
    ``announced_delay`` is what the last session's server advertised before its login, in seconds;
    ``took_all`` says that all it showed was new and was retrieved, as from a window that moves on.
    """

    messages: int = 0
    refused: int = 0
    losses: Counter[tuple[str | None, int]] = field(default_factory=Counter)
    wanted: int = 0
    refused_octets: int = 0
    octets: int = 0
    connected: bool = False
    warned: bool = False
    announced_delay: float | None = None
    took_all: bool = False
