"""What one session may retrieve, and what becomes of a message that cannot be."""

from collections import deque
from collections.abc import Iterator

from archiver.config import AccountSettings
from archiver.ledger.landing import fail_fetch, lengths
from archiver.model import Listed
from archiver.pop3.capabilities import RETIRING_MESSAGES, RETIRING_OCTETS
from archiver.stages.fetch_job import FetchJob


class Budget:
    """Hands out the messages that a session may retrieve, and remembers why it stopped.

    Args:
        job: the account.
        retiring: whether QUIT retires what was retrieved.

    ``full`` says that the spool had no room for another message, ``spent`` that the session had
    retrieved as much as it may.
    """

    def __init__(self, job: FetchJob, *, retiring: bool) -> None:
        self._job = job
        self._retiring = retiring
        self._begun = job.tally.messages
        self._handed: deque[Listed] = deque()
        self.full = False
        self.spent = False

    @property
    def oldest(self) -> Listed | None:
        """The message that was handed out first of those that are not settled."""
        return self._handed[0] if self._handed else None

    def settled(self) -> None:
        """The oldest message came, or was refused."""
        self._handed.popleft()

    def wanted(self) -> Iterator[Listed]:
        """The messages to retrieve, until one of the limits is reached."""
        job = self._job
        messages = octets = 0
        came = lengths(job.listing)
        for listed in job.listing.to_fetch():
            size = max(listed.size or 0, came.get(listed.number, 0))
            if size > job.settings.max_message:
                refuse(job, listed, too_large(job.settings), counted=False)
                continue
            if job.stopping() or self._reached_limit(messages):
                return
            if (
                self._retiring
                and messages
                and (messages >= RETIRING_MESSAGES or octets + size > RETIRING_OCTETS)
            ):
                self.spent = True
                return
            # An empty spool takes one message of any size, or a large one would never be fetched.
            waiting = job.spool.used + octets
            if waiting and waiting + size > job.spool.limit:
                self.full = True
                job.tally.refused_octets = size
                return
            messages += 1
            octets += size
            self._handed.append(listed)
            yield listed

    def _reached_limit(self, messages: int) -> bool:
        limit = self._job.limit
        return limit is not None and self._begun + messages >= limit


def refuse(
    job: FetchJob,
    listed: Listed,
    reason: str,
    *,
    counted: bool = True,
    octets: int | None = None,
) -> None:
    """Records that a message could not be had, and says so.

    Args:
        job: the account.
        listed: the message.
        reason: why, for a person.
        counted: whether this was one of the tries that a message has.
        octets: how many had come of one that is too large, whatever LIST says.
    """
    fail_fetch(job.listing, listed, reason, job.clock.now(), counted=counted, octets=octets)
    # A UIDL may hold anything, also what would move the cursor.
    job.reporter.note(job.settings.name, f"message {listed.number} ({listed.uidl!r}): {reason}")


def too_large(settings: AccountSettings) -> str:
    """The reason why a message was not taken."""
    return f"larger than max_message, {settings.max_message} octets"
