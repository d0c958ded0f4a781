"""What waits in a mailbox: listed by number, date, sender, subject and size, without taking any.

Only headers are asked for (TOP n 0), and never a message: on servers that retire at QUIT what was
retrieved, nothing was. The listing lies in a temporary table of the ledger and headers come
through a window of pipelined commands, so that nothing grows with the mailbox.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from archiver.config import AccountSettings
from archiver.errors import ServerRefused, SessionLost
from archiver.format import MessageHash
from archiver.ledger import Ledger
from archiver.ledger.listing import Listing
from archiver.ledger.waiting import Look, Waiting, find_account
from archiver.mail import read_header
from archiver.mailbox import limits, mailbox
from archiver.model import Address, Fingerprint, Listed
from archiver.pop3 import Chunk, Finished, Refused, Session, Started
from archiver.state import StatePaths

LARGE = 10 * 2**20
"""Octets from which a message is marked as large."""

_HEADER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Peeked:
    """A message as its mailbox shows it; without TOP nothing is known of its header."""

    number: int
    uidl: str | None
    size: int | None
    new: bool
    date: int | None = None
    author: Address | None = None
    subject: str | None = None

    @property
    def large(self) -> bool:
        """Whether it is worth a mark for its size."""
        return (self.size or 0) > LARGE


class Peek:
    """One look into a mailbox, open until it was taken; see ``peeking``.

    ``total`` is how many messages there are by STAT; ``has_top`` says whether headers can be had,
    which is known for certain once the first was asked for.
    """

    def __init__(self, session: Session, listing: Listing) -> None:
        self._session = session
        self.total, _ = session.stat()
        listing.begin()
        # UIDL before LIST, since UIDL can change sizes (mailutils).
        with suppress(ServerRefused):
            listing.add_uidls(session.uidls())
        listing.add_sizes(session.sizes())
        self._look = Look(listing, self.total)
        capabilities = session.capabilities
        self.has_top = capabilities.top or not capabilities.advertised

    def messages(self, limit: int | None = None) -> Iterator[Peeked]:
        """The messages, oldest first; only so many of the newest where there is a limit."""
        return self._described(self._look.waiting(limit))

    def count_new(self) -> int:
        """How many messages are new; headers are read only of those whose UIDL is not known."""
        doubtful = (one for one in self._look.waiting(None) if not one.known)
        if self._look.empty:
            return sum(1 for _ in doubtful)
        return sum(one.new for one in self._described(doubtful))

    def _described(self, waiting: Iterator[Waiting]) -> Iterator[Peeked]:
        """Each message with its header; those whose header is refused come without."""
        ahead: dict[int, Waiting] = {}

        def asked() -> Iterator[Listed]:
            for one in waiting:
                if not self.has_top:
                    # A server without TOP is asked once: some hang up after several errors.
                    later.append(one)
                    return
                ahead[one.listed.number] = one
                yield one.listed

        later: list[Waiting] = []
        octets, header = bytearray(), MessageHash()
        for event in self._session.headers(asked()) if self.has_top else ():
            match event:
                case Started():
                    octets, header = bytearray(), MessageHash()
                case Chunk(piece):
                    header.update(piece)
                    octets += piece[: _HEADER_LIMIT - len(octets)]
                case Finished(listed):
                    yield self._read(ahead.pop(listed.number), bytes(octets), header.result())
                case Refused(listed):
                    self.has_top = self.has_top and self._session.capabilities.top
                    yield _bare(ahead.pop(listed.number))
        yield from map(_bare, later)
        yield from map(_bare, waiting)

    def _read(self, one: Waiting, octets: bytes, header: Fingerprint) -> Peeked:
        mail = read_header(
            BytesIO(octets),
            digest="",
            header_digest="",
            size=len(octets),
            now=time.time(),
        )
        return replace(
            _bare(one),
            new=not one.known and not self._look.knows(header),
            date=mail.date,
            author=mail.authors[0] if mail.authors else None,
            subject=mail.subject,
        )


@contextmanager
def peeking(account: AccountSettings, state: Path) -> Iterator[Peek]:
    """Signs in, takes the listing, and leaves with QUIT, since nothing was retrieved.

    Args:
        account: the settings.
        state: the state directory; where it has no ledger, everything is new.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost.
        UsageError: a secret or the settings cannot be used.
    """
    place = mailbox(account, state)
    with _ledger(StatePaths(state).ledger) as ledger:
        owner = find_account(ledger, account.name)
        narrow = owner.narrow_until > time.time()
        with Session.open(place.server, limits(account, narrow=narrow)) as session:
            # The mode changes octets, and with them the headers by which messages are known.
            utf8 = session.capabilities.utf8 if owner.utf8 is None else owner.utf8
            session.sign_in(place.credentials, utf8=utf8, auth=place.auth)
            yield Peek(session, Listing(ledger, owner, tries=account.tries))
            with suppress(ServerRefused, SessionLost):
                session.quit()


@contextmanager
def _ledger(path: Path) -> Iterator[Ledger]:
    """The ledger, or where there is none an empty one that is thrown away."""
    if path.exists():
        with Ledger.open(path) as ledger:
            yield ledger
        return
    with TemporaryDirectory(prefix="archiver-") as place, Ledger.open(Path(place, "l")) as ledger:
        yield ledger


def _bare(one: Waiting) -> Peeked:
    listed = one.listed
    return Peeked(listed.number, listed.uidl, listed.size, not one.known)


def peeked_json(one: Peeked) -> dict[str, Any]:
    """A message as ``peek --json`` prints it: these fields are part of the interface."""
    author = one.author
    date = None if one.date is None else datetime.fromtimestamp(one.date, UTC)
    return {
        "number": one.number,
        "uidl": one.uidl,
        "size": one.size,
        "date": None if date is None else f"{date:%Y-%m-%dT%H:%M:%SZ}",
        "from": None if author is None else {"name": author.name, "address": author.address},
        "subject": one.subject,
        "new": one.new,
    }
