"""One session of deleting: list, show what each message is, DELE, and QUIT only if all looks right.

Order of writes: the store's copies were read back before this session began; identity is shown in
it; rows are DELETE_SENT before QUIT is sent; only a later listing makes them GONE. Whatever looks
wrong ends the session with RSET and a dropped connection, which deletes nothing (RFC 1939 section
6: DELE takes effect at QUIT). Neither is QUIT sent where something was retrieved that must not
leave: some servers take away at QUIT whatever was retrieved, and not all of them say so.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum, auto

from archiver.errors import DeletionStopped, Interrupted, ServerRefused, SessionLost
from archiver.format import MessageHash
from archiver.ledger.showing import Showing, Shown
from archiver.model import Fingerprint, Listed
from archiver.pop3 import Chunk, Event, Finished, Refused, Session, Started
from archiver.stages.fetch_job import FetchJob
from archiver.stages.fetch_listing import is_retiring, take_listing
from archiver.stages.prune_plan import Verdict, brake, stopped
from archiver.stages.visit import visit

MOST_AT_ONCE = 5_000
"""How many messages one session deletes: all of it is in vain if the connection is lost."""


class End(Enum):
    """Why a session ended: nothing is left, there may be more, or it met what must not leave."""

    DONE = auto()
    MORE = auto()
    STRANGE = auto()


def delete_session(job: FetchJob, showing: Showing, *, empty: bool) -> End:
    """Deletes what is planned, as far as this session shows that it is what is archived.

    Args:
        job: the account; its listing is for this purpose alone.
        showing: the plan, as the server shows it.
        empty: whether the mailbox may be emptied.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost; nothing was deleted, or what was is
            DELETE_SENT.
        DeletionStopped: too much would be deleted, or the server does not delete as it should.
    """
    with visit(job) as session:
        count = take_listing(job, session)
        showing.begin()
        _show_planned(job, session, showing)
        if not _show_unclear(job, session, showing):
            session.drop()
            return End.STRANGE
        return _delete(job, session, showing, count, empty=empty)


def look_session(job: FetchJob) -> None:
    """Lists the mailbox and does nothing else; what was deleted is then seen to be gone.

    Raises:
        LoginRefused, ServerUnavailable: as for ``delete_session``.
    """
    with visit(job) as session:
        take_listing(job, session)
        with suppress(ServerRefused, SessionLost):
            session.quit()


def _show_planned(job: FetchJob, session: Session, showing: Showing) -> None:
    """Asks for the headers of what is to go; where they prove nothing, leaves all in doubt."""
    capabilities = session.capabilities
    granted = False
    refused = job.listing.distrusted is not None or (
        capabilities.advertised and not capabilities.top
    )

    def wanted() -> Iterator[Listed]:
        # A server without TOP is asked once: some reset the connection after several errors.
        for listed in showing.planned(MOST_AT_ONCE):
            showing.doubt(listed)
            if granted or not refused:
                yield listed

    for listed, header in _hashed(session.headers(wanted()), job.settings.max_message):
        if header is None:
            refused = True
        else:
            granted = True
            showing.show_header(listed, header)


def _show_unclear(job: FetchJob, session: Session, showing: Showing) -> bool:
    """Fetches again what headers cannot show; says whether QUIT may follow."""
    retrieved = session.retrieve(showing.unclear(MOST_AT_ONCE))
    for listed, whole in _hashed(retrieved, job.settings.max_message):
        showing.show_octets(listed, whole)
    showing.settle({Shown.STRANGE: Verdict.NOT_SHOWN, Shown.UNSEEN: Verdict.NOT_SHOWN})
    if strange := showing.tally(Shown.STRANGE):
        # From now on headers and octets decide, so the next run fetches what it is.
        with job.listing.ledger.write() as db:
            job.listing.reused(db)
        job.reporter.note(
            job.settings.name,
            f"{strange:,} messages are not what is archived under their UIDLs: they stay, and the"
            " next run fetches them",
        )
    unsafe = [Shown.STRANGE, Shown.SPARED]
    if is_retiring(job, session):
        unsafe.append(Shown.STAYS)
    showing.spare(*unsafe)
    return not showing.tally(*unsafe)


def _hashed(events: Iterable[Event], most: int) -> Iterator[tuple[Listed, Fingerprint | None]]:
    """What identifies each message that was asked for, None where the server refused.

    Raises:
        SessionLost: a message has no end within so many octets.
    """
    hashed, length = MessageHash(), 0
    for event in events:
        match event:
            case Started():
                hashed, length = MessageHash(), 0
            case Chunk(octets):
                hashed.update(octets)
                length += len(octets)
                if length > most:
                    raise SessionLost("a message has no end within max_message")
            case Finished(listed):
                yield listed, hashed.result()
            case Refused(listed):
                yield listed, None


def _delete(job: FetchJob, session: Session, showing: Showing, count: int, *, empty: bool) -> End:
    too_much = brake(showing.tally(Shown.GOES), count, job.settings.deletion)
    if too_much is not None and not empty:
        session.drop()
        raise stopped(too_much)
    for event in session.delete(showing.shown()):
        match event:
            case Finished(listed):
                showing.mark(listed)
            case Refused(listed):
                showing.mark(listed, refused=True)
    marked = showing.tally(Shown.MARKED)
    _see_what_is_left(session, showing, count - marked)
    showing.settle({Shown.REFUSED: Verdict.REFUSED})
    if marked:
        showing.send(job.clock.now())
    _quit(job, session, showing)
    return End.MORE if marked >= MOST_AT_ONCE else End.DONE


def _see_what_is_left(session: Session, showing: Showing, expected: int) -> None:
    """Makes sure that what the server has marked is what it was told to, and nothing else."""
    left, _ = session.stat()
    wrong = abs(left - expected) or showing.misplaced(number for number, _ in session.sizes())
    if not wrong:
        return
    with suppress(ServerRefused, SessionLost):
        session.reset()
    session.drop()
    raise DeletionStopped(
        f"nothing is deleted: after DELE the server counts {left:,} messages where {expected:,}"
        f" ought to be left, and {wrong:,} are not as they were",
        hint="archiver pop shows what it does: its DELE is not that of RFC 1939",
    )


def _quit(job: FetchJob, session: Session, showing: Showing) -> None:
    try:
        said = session.quit()
    except ServerRefused as error:
        # Some of it may be deleted all the same; the next listing tells.
        said = error.message
        job.reporter.note(job.settings.name, f"QUIT: {error.message}")
    except (SessionLost, Interrupted):
        showing.answered("")
        raise
    showing.answered(said)
