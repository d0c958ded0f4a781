"""One session of deleting: list, show what each message is, DELE, and QUIT only if all looks right.

Order of writes: the store's copies were read back before this session began; identity is shown in
it; rows are DELETE_SENT before QUIT is sent; only a later listing makes them GONE. Whatever looks
wrong ends the session with RSET and a dropped connection, which deletes nothing (RFC 1939 section
6: DELE takes effect at QUIT).
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from archiver.errors import Interrupted, ServerRefused, SessionLost
from archiver.format import MessageHash
from archiver.ledger.accounts import distrust
from archiver.ledger.pruning import Pruning
from archiver.model import Fingerprint, Listed
from archiver.pop3 import Chunk, Event, Finished, Refused, Session, Started
from archiver.stages.fetch_job import FetchJob
from archiver.stages.fetch_listing import is_retiring, take_listing
from archiver.stages.prune_plan import Verdict, brake
from archiver.stages.visit import visit

MOST_AT_ONCE = 5_000
"""How many messages one session deletes: all of it is in vain if the connection is lost."""

_GOES = Verdict.GOES


def delete_session(job: FetchJob, pruning: Pruning, *, empty: bool) -> bool:
    """Deletes what is planned, as far as this session shows that it is what is archived.

    Args:
        job: the account; its listing is for this purpose alone.
        pruning: the plan.
        empty: whether the mailbox may be emptied.

    Returns:
        Whether another session may delete more.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost; nothing was deleted, or what was is
            DELETE_SENT.
    """
    with visit(job) as session:
        count = take_listing(job, session)
        pruning.begin()
        _show_planned(job, session, pruning)
        if not _show_unclear(job, session, pruning):
            return False
        return _delete(job, session, pruning, count, empty=empty)


def look_session(job: FetchJob) -> None:
    """Lists the mailbox and does nothing else; what was deleted is then seen to be gone.

    Raises:
        LoginRefused, ServerUnavailable: as for ``delete_session``.
    """
    with visit(job) as session:
        take_listing(job, session)
        with suppress(ServerRefused, SessionLost):
            session.quit()


def _show_planned(job: FetchJob, session: Session, pruning: Pruning) -> None:
    """Asks for the headers of what is to go; where they prove nothing, leaves all in doubt."""
    planned = pruning.planned(_GOES, MOST_AT_ONCE)
    capabilities = session.capabilities
    if job.listing.distrusted is not None or (capabilities.advertised and not capabilities.top):
        for listed in planned:
            pruning.doubt(listed)
        return
    for listed, header in _hashed(session.headers(planned), job.settings.max_message):
        if header is None:
            pruning.doubt(listed)
        else:
            pruning.show_header(listed, header)


def _show_unclear(job: FetchJob, session: Session, pruning: Pruning) -> bool:
    """Fetches again what headers cannot show; says whether the session may go on."""
    unknown = 0
    retrieved = session.retrieve(pruning.unclear(_GOES, MOST_AT_ONCE))
    for listed, whole in _hashed(retrieved, job.settings.max_message):
        unknown += whole is not None and not pruning.show_octets(listed, whole, _GOES)
    if not unknown:
        return True
    if job.listing.distrusted is None:
        # From now on headers and octets decide, so the next run fetches what it is.
        distrust(job.listing.ledger, job.listing.account, "a UIDL was given to other octets")
    job.reporter.note(
        job.settings.name,
        f"{unknown:,} messages are not what is archived under their UIDLs: they stay, and the next"
        " run fetches them",
    )
    if is_retiring(job, session):
        # Here QUIT takes away whatever was retrieved, and these nobody has but the server.
        session.drop()
        return False
    return True


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


def _delete(job: FetchJob, session: Session, pruning: Pruning, count: int, *, empty: bool) -> bool:
    too_much = brake(pruning.tally("shown"), count, job.settings.deletion)
    if too_much is not None and not empty:
        _abandon(job, session, too_much)
        return False
    for event in session.delete(pruning.shown()):
        match event:
            case Finished(listed):
                pruning.mark(listed)
            case Refused(listed):
                pruning.mark(listed, refused=True)
    marked = pruning.tally("marked")
    left, _ = session.stat()
    if left != count - marked:
        reason = f"{count:,} messages less {marked:,} are {left:,} to the server"
        _abandon(job, session, reason)
        return False
    pruning.settle({"strange": Verdict.NOT_SHOWN, "refused": Verdict.REFUSED})
    if marked:
        pruning.send(job.clock.now())
    _quit(job, session, pruning)
    return marked >= MOST_AT_ONCE


def _abandon(job: FetchJob, session: Session, reason: str) -> None:
    with suppress(ServerRefused, SessionLost):
        session.reset()
    session.drop()
    job.reporter.note(job.settings.name, f"nothing is deleted: {reason}")


def _quit(job: FetchJob, session: Session, pruning: Pruning) -> None:
    try:
        said = session.quit()
    except ServerRefused as error:
        # Some of it may be deleted all the same; the next listing tells.
        said = error.message
        job.reporter.note(job.settings.name, f"QUIT: {error.message}")
    except (SessionLost, Interrupted):
        pruning.answered("")
        raise
    pruning.answered(said)
