"""Bring: messages that lie in somebody's files, into the spool.

What fetch is for a mail server, this is for files; from the spool on there is no difference. Order
of writes as there: octets and directory entry of a batch are fsynced, then its rows say SPOOLED.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from archiver.errors import MessageError
from archiver.ledger.importing import Importing
from archiver.model import Clock, Listed, Reporter
from archiver.sources import Letter, Trouble
from archiver.stages.batching import BatchWriter
from archiver.stages.fetch_job import Archiving, Tally
from archiver.state import Spool


@dataclass(frozen=True, slots=True)
class BringJob:
    """All that importing into one account takes; ``max_message`` is in octets.

    ``stopping`` says whether nothing new is to be begun.
    """

    importing: Importing
    max_message: int
    spool: Spool
    archiving: Archiving
    reporter: Reporter
    clock: Clock
    stopping: Callable[[], bool]
    tally: Tally

    @property
    def name(self) -> str:
        """The account's id."""
        return self.importing.account.name

    def fail(self, name: str, reason: str) -> None:
        """Counts something that could not be read, and says so."""
        self.importing.failed += 1
        # A file may be called anything, also what would move the cursor.
        self.reporter.note(self.name, f"{name if name.isprintable() else ascii(name)}: {reason}")


def bring(job: BringJob, found: Iterable[Letter | Trouble]) -> bool:
    """Takes every message that was found, until the run is asked to end.

    Returns:
        Whether it came to the end of what was found.

    Raises:
        LocalDiskError: the spool's disk is full; what was not durable is still in its source.
    """
    writer = BatchWriter(job.importing.land, job.spool, job.name, job.clock)
    try:
        for number, letter in enumerate(found, start=1):
            if job.stopping():
                return False
            if isinstance(letter, Trouble):
                job.fail(letter.name, letter.reason)
                continue
            if not _has_room(job, writer, letter):
                return False
            _take(job, writer, letter, number)
            if writer.is_due:
                _land(job, writer)
                job.reporter.progress(job.name, "import", job.tally.messages, None)
        return True
    finally:
        # Also when the source breaks in the middle: what came whole stays.
        _land(job, writer)
        job.reporter.progress(job.name, "import", job.tally.messages, None)


def _land(job: BringJob, writer: BatchWriter) -> None:
    if (batch := writer.close()) is not None:
        job.archiving.landed(batch)


def _has_room(job: BringJob, writer: BatchWriter, letter: Letter) -> bool:
    """Waits for room; an empty spool takes one message of any size."""
    if letter.size > job.max_message:
        return True
    waiting = job.spool.used + writer.octets
    if not waiting or waiting + letter.size <= job.spool.limit:
        return True
    _land(job, writer)
    if job.archiving.wait_for_space(letter.size):
        return True
    if not job.stopping():
        job.reporter.note(job.name, "the spool is full, and nothing frees it: import again later")
    return False


def _take(job: BringJob, writer: BatchWriter, letter: Letter, number: int) -> None:
    """One message, whole or not at all."""
    writer.begin(Listed(number, None, None))
    try:
        if letter.size > job.max_message:
            raise MessageError(_too_large(job))
        for piece in letter.pieces():
            writer.write(piece)
            if writer.message_octets > job.max_message:
                raise MessageError(_too_large(job))
    except FileNotFoundError:
        writer.abandon()
        job.importing.vanished += 1
        return
    except MessageError as error:
        writer.abandon()
        job.fail(letter.name, f"{error.message}; {error.hint}" if error.hint else error.message)
        return
    except OSError as error:
        writer.abandon()
        job.fail(letter.name, error.strerror or str(error))
        return
    job.tally.octets += writer.finish((), letter.origin)
    job.tally.messages += 1


def _too_large(job: BringJob) -> str:
    return f"larger than max_message, {job.max_message} octets"
