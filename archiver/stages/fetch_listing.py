"""What a session lists, and for each message whether it is known; see ``ledger.listing``."""

from collections.abc import Iterator
from datetime import UTC, datetime

from archiver.errors import ServerRefused
from archiver.format import MessageHash
from archiver.ledger.accounts import note_retiring
from archiver.ledger.landing import Draft, land_links
from archiver.ledger.portions import is_all_new
from archiver.model import Fingerprint, Listed
from archiver.pop3 import Chunk, Finished, Refused, Session, Started, retires
from archiver.stages.fetch_job import FetchJob
from archiver.state.spool import batch_name

_CHECKED_AT_ONCE = 500
_FOR_NOW = frozenset({"SYS/TEMP", "IN-USE"})


def take_listing(job: FetchJob, session: Session) -> int:
    """Takes the listing and decides for each message whether it is known.

    Returns:
        How many messages the server counts.

    Raises:
        ServerRefused: the server gives no listing.
        SessionLost: the connection broke.
    """
    listing = job.listing
    session.ask_ahead()
    count, _ = session.stat()
    listing.begin()
    # UIDL before LIST, since UIDL can change sizes (mailutils).
    has_uidl = _take_uidls(job, session)
    listing.add_sizes(session.sizes())
    listing.complete(count, has_uidl=has_uidl)
    capabilities = session.capabilities
    listing.classify(top=capabilities.top or not capabilities.advertised)
    _notice_retiring(job, session)
    _check(job, session)
    listing.settle(job.clock.now(), retires=is_retiring(job, session))
    _land_links(job)
    job.tally.wanted = job.tally.messages + listing.waiting()
    return count


def _take_uidls(job: FetchJob, session: Session) -> bool:
    """Says whether the server has UIDL at all."""
    try:
        job.listing.add_uidls(session.uidls())
    except ServerRefused as error:
        # To take a bad moment for a lack of UIDLs would make us distrust the account for good.
        if error.code in _FOR_NOW:
            raise
        return False
    return True


def is_retiring(job: FetchJob, session: Session) -> bool:
    """Whether QUIT retires what was retrieved: the server said so, or was seen to do it."""
    host = job.settings.server.host
    return job.listing.account.retires or retires(host, session.capabilities)


def _notice_retiring(job: FetchJob, session: Session) -> None:
    """Remembers a server that says that QUIT hides what was retrieved, or is seen to have done it.

    It is seen where all that was retrieved is gone, and other messages are listed.
    """
    if job.listing.account.retires:
        return
    announced = is_retiring(job, session)
    if not announced and not (job.tally.took_all and is_all_new(job.listing)):
        return
    note_retiring(job.listing.ledger, job.listing.account)
    job.reload()
    if announced:
        return
    job.reporter.note(
        job.settings.name,
        "the server no longer shows what was retrieved: sessions end only when it is archived",
    )


def _check(job: FetchJob, session: Session) -> None:
    """Asks for the headers of the messages whose identity is in doubt."""
    granted = refused = False

    def wanted() -> Iterator[Listed]:
        # A server without TOP is asked once: some reset the connection after several errors.
        for listed in job.listing.to_check():
            if refused and not granted:
                return
            yield listed

    checked: list[tuple[Listed, Fingerprint]] = []
    header = MessageHash()
    for event in session.headers(wanted()):
        match event:
            case Started():
                header = MessageHash()
            case Chunk(octets):
                header.update(octets)
            case Finished(listed):
                granted = True
                checked.append((listed, header.result()))
            case Refused():
                refused = True
        if len(checked) >= _CHECKED_AT_ONCE:
            job.listing.identify(checked, job.clock.now())
            checked = []
    job.listing.identify(checked, job.clock.now())


def _land_links(job: FetchJob) -> None:
    listing, now = job.listing, job.clock.now()
    day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    while True:
        name = batch_name(now)
        draft = Draft(name=name, day=day, segment="", octets=0)
        if not land_links(listing.ledger, listing.account, draft, now):
            return
        job.archiving.landed(name)
