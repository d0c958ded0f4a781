"""What the tests of deleting share: a mailbox that is archived, and one deletion; no test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stage_helpers import Desk, desk

from archiver.config import Deletion
from archiver.ledger.listing import Listing
from archiver.ledger.pruning import Pruning
from archiver.mailbox import Mailbox
from archiver.pop3 import Credentials
from archiver.stages.fetch_job import FetchJob, NoArchiving
from archiver.stages.prune import prune
from archiver.stages.prune_plan import Verdict, judge
from infra.faulty_pop3 import Message

VERIFIED = Deletion(delete="verified")


@contextmanager
def archived(directory: Path, messages: list[tuple[str, bytes]], **faults: Any) -> Iterator[Desk]:
    """A mailbox whose every message is archived."""
    with desk(directory, messages, **faults) as made:
        made.set(deletion=VERIFIED)
        made.run()
        made.archive()
        yield made


class Deleting:
    """One deletion of everything that policy permits; the copies count as read back."""

    def __init__(self, made: Desk, *, empty: bool = True) -> None:
        self.desk = made
        self.empty = empty
        self.listing = Listing(made.ledger, made.owner, tries=5)
        self.pruning = Pruning(made.ledger, made.owner)
        policy = made.settings.deletion
        self.pruning.plan(lambda one: judge(one, policy, made.clock.now()))

    @property
    def deleted(self) -> int:
        """How many messages were sent DELE and QUIT."""
        return self.pruning.sent(Verdict.GOES)

    def go(self) -> "Deleting":
        """Carries the plan out."""
        made = self.desk
        job = FetchJob(
            settings=made.settings,
            mailbox=Mailbox(made.place, Credentials("user", "secret")),
            listing=self.listing,
            spool=made.spool,
            archiving=NoArchiving(),
            reporter=made.listener,
            clock=made.clock,
            stopping=made.stop.asked,
            stop=made.stop,
        )
        lost: list[bytes] = []

        def look(_: Sequence[Message], going: Sequence[Message]) -> None:
            lost.extend(one.octets for one in going if one.octets not in made.archived)

        made.server.onlooker = look
        try:
            prune(job, self.pruning, empty=self.empty)
        finally:
            made.server.onlooker = None
            assert lost == [], "the server has taken away what the archive does not have"
        return self


def stages(made: Desk) -> dict[str, str]:
    """The stage of the newest row of each UIDL."""
    return dict(made.ledger.rows("SELECT uidl, stage FROM messages ORDER BY id"))


def left(made: Desk) -> list[bytes]:
    """What the server still has."""
    return [message.octets for message in made.server.mailbox]


def swap(made: Desk, number: int, octets: bytes) -> None:
    """Another client deletes a message, and another comes under its UIDL."""
    made.server.mailbox[number].octets = octets
