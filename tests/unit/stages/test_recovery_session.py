"""Sessions that fetch again what the store lost, and change nothing on the server."""

import hashlib
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest
from stage_helpers import Desk, box, desk, octets_of

from archiver.errors import ServerUnavailable
from archiver.ledger.accounts import distrust
from archiver.ledger.listing import Listing
from archiver.ledger.moving import Offer, offers
from archiver.mailbox import Mailbox
from archiver.pop3 import Credentials
from archiver.stages.fetch_job import FetchJob, NoArchiving
from archiver.stages.recovery_session import fetch_again
from infra.faulty_pop3.faults import Faults, Message

WORDS = ("one", "two", "three")
TWO = octets_of("two")


def sha(octets: bytes) -> str:
    """The digest of octets."""
    return hashlib.sha256(octets).hexdigest()


class Again:
    """Fetches messages again; ``taken`` is what came, also if the session failed."""

    def __init__(self, at: Desk, directory: Path) -> None:
        self.at = at
        self.directory = directory / "again"
        self.directory.mkdir()
        self.taken: dict[str, bytes] = {}

    def __call__(self, *wanted: bytes, offered: list[Offer] | None = None) -> dict[str, bytes]:
        """Messages by their octets, as the ledger or the test says that they were listed."""
        at = self.at
        job = FetchJob(
            settings=at.settings,
            mailbox=Mailbox(at.place, Credentials("user", "secret"), at.settings.auth),
            listing=Listing(at.ledger, at.owner, tries=5),
            spool=at.spool,
            archiving=NoArchiving(),
            reporter=at.listener,
            clock=at.clock,
            stopping=at.stop.asked,
            stop=at.stop,
        )
        digests = [sha(octets) for octets in wanted]
        known = {one: offered or offers(at.ledger, at.owner, one) for one in digests}
        try:
            fetch_again(job, known, lambda: self.directory / token_hex(8), self.take)
        finally:
            assert list(self.directory.iterdir()) == [], "files are left over"
        return self.taken

    def take(self, digest: str, path: Path, length: int) -> None:
        """Takes a message."""
        self.taken[digest] = path.read_bytes()
        assert len(self.taken[digest]) == length
        path.unlink()


@pytest.mark.parametrize("retiring", [False, True])
def test_by_uidl(tmp_path: Path, retiring: bool) -> None:
    """A message is found by its UIDL; it stays, also where a QUIT would retire it."""
    with desk(tmp_path, box(*WORDS)) as at:
        at.run()
        at.server.faults = Faults(expire=0, hides=True) if retiring else Faults()
        quits = len(at.heard("QUIT"))
        again = Again(at, tmp_path)
        assert again(TWO) == {sha(TWO): TWO}
        assert len(at.heard("QUIT")) == quits
        assert at.heard("RETR")[3:] == ["RETR 2"]
        assert len(at.server.mailbox) == 3


def test_other_octets_under_a_uidl(tmp_path: Path) -> None:
    """What is listed under a UIDL and holds other octets is not taken for what is looked for."""
    with desk(tmp_path, box(*WORDS)) as at:
        at.run()
        at.server.mailbox[1] = Message("uidl-two", octets_of("new"))
        again = Again(at, tmp_path)
        assert again(TWO) == {}
        at.server.mailbox.clear()
        assert again(TWO) == {}


def test_by_size(tmp_path: Path) -> None:
    """Where UIDLs prove nothing, messages of the size are looked at."""
    with desk(tmp_path, box(*WORDS)) as at:
        at.run()
        for message in at.server.mailbox:
            message.uidl = token_hex(4)
        again = Again(at, tmp_path)
        assert again(TWO) == {}
        distrust(at.ledger, at.owner, "they change")
        assert again(TWO) == {sha(TWO): TWO}


def test_without_uidl(tmp_path: Path) -> None:
    """On a server without UIDL messages are found by their size as well."""
    with desk(tmp_path, box(*WORDS), without={"UIDL"}) as at:
        offered = [Offer(None, len(TWO))]
        assert Again(at, tmp_path)(TWO, offered=offered) == {sha(TWO): TWO}


def test_lost_in_the_middle(tmp_path: Path) -> None:
    """What came before the connection was lost is good."""
    with desk(tmp_path, box(*WORDS)) as at:
        at.run()
        at.server.faults = Faults(cuts={3}, pipelining=False)
        again = Again(at, tmp_path)
        with pytest.raises(ServerUnavailable):
            again(octets_of("one"), octets_of("three"))
        assert again.taken == {sha(octets_of("one")): octets_of("one")}


def test_a_message_without_end(tmp_path: Path) -> None:
    """A message that is larger than any may be ends the session, and leaves nothing behind."""
    with desk(tmp_path, box(*WORDS)) as at:
        at.run()
        at.server.mailbox[1] = Message("uidl-two", octets_of("two", 300_000))
        at.settings = replace(at.settings, max_message=1_000)
        assert Again(at, tmp_path)(TWO) == {}
