"""One session of fetching: sign in, list, retrieve what is new, and end as the server's rules ask.

Messages come through a window of pipelined commands into batches. Order of writes: octets and
directory entry of a batch are fsynced, then its rows say SPOOLED, and only then may the session
that retrieved them end with QUIT. Where QUIT retires what was retrieved (``EXPIRE 0``, RFC 2449
section 6.7; Gmail's hosts), the session waits until all of it is ARCHIVED, or drops the connection.
"""

from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from functools import partial

from archiver.errors import (
    Interrupted,
    ServerRefused,
    ServerUnavailable,
    SessionLost,
)
from archiver.ledger.landing import fail_fetch, land
from archiver.ledger.portions import may_be_portion
from archiver.model import Listed
from archiver.pop3 import Chunk, Finished, Refused, Session, Started
from archiver.pop3.capabilities import RETIRING_MESSAGES, RETIRING_OCTETS
from archiver.stages.batching import BatchWriter
from archiver.stages.budget import Budget, refuse, too_large
from archiver.stages.fetch_job import FetchJob
from archiver.stages.fetch_listing import is_retiring, take_listing
from archiver.stages.pacing import forecast
from archiver.stages.visit import visit

_KEEP_ALIVE_SECONDS = 20.0
_LOSSES_OF_ONE_MESSAGE = 3


class End(Enum):
    """Why a session ended: nothing is left, there may be more, or the spool is full."""

    DONE = auto()
    MORE = auto()
    FULL = auto()


class _Endless(SessionLost):
    """A message went on beyond what we take: the session ends, and the server is not to blame."""


def run_session(job: FetchJob) -> End:
    """Opens a session, retrieves what it may, and says why it ended.

    Raises:
        Interrupted: the run should have ended by now; what arrived whole is in the spool.
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, does not serve us now, or was lost; what arrived
            whole is in the spool.
        LocalDiskError: the spool's disk is full.
    """
    with visit(job) as session:
        take_listing(job, session)
        return _retrieve(job, session)


def _retrieve(job: FetchJob, session: Session) -> End:
    """Retrieves what is wanted, as far as this session may go, and ends it as the rules say."""
    retiring = is_retiring(job, session)
    if retiring:
        forecast(job, RETIRING_MESSAGES, RETIRING_OCTETS)
    budget = Budget(job, retiring=retiring)
    writer = BatchWriter(partial(land, job.listing), job.spool, job.settings.name, job.clock)
    batches: list[str] = []
    job.tally.took_all = False
    try:
        for batch in _batches(job, session, budget, writer):
            batches.append(batch)
            job.archiving.landed(batch)
    except _Endless:
        _rescue(job, writer)
        return End.MORE
    except (ServerUnavailable, Interrupted) as error:
        culprit = budget.oldest
        if session.suspect is not None:
            disowned = writer.disown(session.suspect)
            job.tally.messages -= disowned
            culprit = session.suspect if disowned else culprit
        _rescue(job, writer)
        if culprit is not None and isinstance(error, ServerUnavailable):
            _blame(job, culprit, error)
        raise
    except BaseException:
        writer.discard()
        raise
    held = retiring and (batches or job.listing.retrieved_unarchived())
    if held and not _all_archived(job, session, batches):
        session.drop()
    elif _quit(job, session):
        job.tally.took_all = may_be_portion(job.listing)
    if budget.full:
        return End.FULL
    more = budget.spent or (retiring and batches) or job.tally.took_all
    return End.MORE if more else End.DONE


def _batches(job: FetchJob, session: Session, budget: Budget, writer: BatchWriter) -> Iterator[str]:
    refused: dict[int, Listed] = {}
    for event in session.retrieve(budget.wanted(), confirm=True):
        match event:
            case Chunk(octets):
                writer.write(octets)
                if writer.message_octets > job.settings.max_message:
                    came = writer.message_octets
                    listed = writer.abandon()
                    # Once max_message is raised beyond that, it is tried again by itself.
                    refuse(job, listed, too_large(job.settings), counted=False, octets=came)
                    raise _Endless("a message has no end within max_message")
            case Started(listed):
                # The answer that follows a message confirms that it ended where it seemed to, so
                # a batch is closed only when the next one begins.
                if writer.is_due and (batch := writer.close()) is not None:
                    _show(job)
                    yield batch
                writer.begin(listed)
            case Finished(_, anomalies):
                job.tally.octets += writer.finish(anomalies)
                job.tally.messages += 1
                budget.settled()
            case Refused(listed, code, text):
                # What the server calls temporary is not held against the message.
                reason = f"the server refused it: {text[:200]}"
                refuse(job, listed, reason, counted=code != "SYS/TEMP")
                refused[listed.number] = listed
                job.tally.refused += 1
                budget.settled()
    if refused:
        _sort_out(job, session, refused)
    if (batch := writer.close()) is not None:
        yield batch
    _show(job)


def _show(job: FetchJob) -> None:
    wanted = job.tally.wanted if job.limit is None else min(job.tally.wanted, job.limit)
    job.reporter.progress(job.settings.name, "fetch", job.tally.messages, wanted)


def _sort_out(job: FetchJob, session: Session, refused: dict[int, Listed]) -> None:
    """Tells messages that left the mailbox since it was listed from those that are refused."""
    gone = dict(refused)
    for number, _ in session.sizes():
        gone.pop(number, None)
    for listed in gone.values():
        fail_fetch(job.listing, listed, "", job.clock.now(), vanished=True)
        job.reporter.note(job.settings.name, f"message {listed.number} left the server meanwhile")


def _blame(job: FetchJob, listed: Listed, error: ServerUnavailable) -> None:
    """Passes over a message at which session after session is lost, for the rest of the run."""
    losses = job.tally.losses
    losses[listed.uidl, listed.number] += 1
    if losses[listed.uidl, listed.number] == _LOSSES_OF_ONE_MESSAGE:
        refuse(job, listed, f"the session was lost each time it was to come: {error.message}")


def _rescue(job: FetchJob, writer: BatchWriter) -> None:
    """Lands the messages that arrived whole before the connection was lost."""
    if (batch := writer.close()) is not None:
        job.archiving.landed(batch)


def _all_archived(job: FetchJob, session: Session, batches: list[str]) -> bool:
    """Keeps the session alive until its batches are archived, or until that is hopeless."""
    while (done := job.archiving.wait_archived(batches, _KEEP_ALIVE_SECONDS)) is None:
        if job.stopping():
            return False
        with suppress(ServerRefused):
            session.noop()
    # What was archived under another number, or by an earlier run, came again in no batch.
    done = done and not job.listing.retrieved_unarchived()
    if not done:
        job.reporter.note(
            job.settings.name,
            "the server retires what was retrieved, and not all of it is archived:"
            " ending without QUIT",
        )
    return done


def _quit(job: FetchJob, session: Session) -> bool:
    """Ends the session; says whether the server agreed."""
    try:
        session.quit()
    except (ServerRefused, SessionLost) as error:
        # Everything is durable and nothing was deleted, so a failing farewell loses nothing.
        job.reporter.note(job.settings.name, f"QUIT: {error.message}")
        return False
    return True
