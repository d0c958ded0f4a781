"""Fetch: everything that a mailbox holds and the ledger does not, into the spool.

A session lists, subtracts what is known, and retrieves the rest through a window of pipelined
commands into batches. Order of writes: octets and directory entry of a batch are fsynced, then its
rows say SPOOLED, and only then may the session that retrieved them end with QUIT. Where QUIT
retires what was retrieved (``EXPIRE 0``, RFC 2449 section 6.7; Gmail's hosts), the session waits
until all of it is ARCHIVED, or drops the connection.

Reconnecting lives here and nowhere else.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, auto

from archiver.config import AccountSettings
from archiver.errors import ProtocolError, ServerRefused, ServerUnavailable, SessionLost
from archiver.format import MessageHash
from archiver.ledger.accounts import account as reloaded
from archiver.ledger.accounts import fix_utf8, narrow
from archiver.ledger.landing import Draft, fail_fetch, land_links
from archiver.mailbox import limits
from archiver.model import Fingerprint, Listed
from archiver.pop3 import Chunk, Finished, Limits, Refused, Session, Started
from archiver.stages.batching import BatchWriter
from archiver.stages.fetch_job import FetchJob
from archiver.state.spool import batch_name

_RETIRING_HOSTS = frozenset({"pop.gmail.com", "pop.googlemail.com"})
_RETIRING_MESSAGES = 300
_RETIRING_OCTETS = 64 << 20
_KEEP_ALIVE_SECONDS = 20.0
_FIRST_BACKOFF_SECONDS = 0.5
_CHECKED_AT_ONCE = 500


class _Endless(SessionLost):
    """A message went on beyond what we take: the session ends, and the server is not to blame."""


class _End(Enum):
    """Why a session ended."""

    DONE = auto()
    MORE = auto()
    FULL = auto()


def fetch(job: FetchJob) -> None:
    """Fetches one account until its server offers nothing new.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost more often than the settings allow.
        LocalDiskError: the spool's disk is full; what was not durable is still on the server.
    """
    losses = 0
    while not job.stopping():
        before = job.tally.messages
        try:
            end = _session(job)
        except ServerUnavailable as error:
            losses = losses + 1 if job.tally.messages == before else 1
            hopeless = not job.tally.connected and not isinstance(error, SessionLost)
            if hopeless or losses > job.settings.reconnects or job.stopping():
                raise
            pause = _FIRST_BACKOFF_SECONDS * 2 ** (losses - 1)
            job.reporter.note(job.settings.name, f"{error.message}; trying again in {pause:g} s")
            job.clock.sleep(pause)
            continue
        if end is _End.DONE:
            return
        if end is _End.FULL and not job.archiving.wait_for_space(job.tally.refused_octets):
            job.reporter.note(
                job.settings.name, "the spool is full: archiver upload makes room, then fetch again"
            )
            return


def _session(job: FetchJob) -> _End:
    _wait_for_login(job)
    session = Session.open(job.mailbox.server, _limits(job))
    job.tally.connected = True
    if job.settings.server.security == "plain" and not job.tally.warned:
        job.tally.warned = True
        job.reporter.note(
            job.settings.name, "no TLS: the password and all mail can be read on the way"
        )
    with session:
        try:
            _sign_in(job, session)
            _list(job, session)
            return _retrieve(job, session)
        except ServerRefused as error:
            raise ServerUnavailable(error.message, hint="try later") from error
        except SessionLost:
            if session.outstanding > 1:
                narrow(job.listing.ledger, job.listing.account, job.clock.now())
                _reload(job)
            raise


def _reload(job: FetchJob) -> None:
    """Lets later sessions of this run see what was just learnt about the account."""
    job.listing.account = reloaded(job.listing.ledger, job.listing.account.row)


def _wait_for_login(job: FetchJob) -> None:
    tally = job.tally
    if tally.last_login is not None and tally.login_delay:
        wait = tally.last_login + tally.login_delay - job.clock.monotonic()
        if wait > 0:
            job.reporter.note(
                job.settings.name,
                f"the server wants {tally.login_delay:g} s between logins: waiting {wait:.0f} s",
            )
            job.clock.sleep(wait)


def _limits(job: FetchJob) -> Limits:
    narrow = job.listing.account.narrow_until > job.clock.now()
    return limits(job.settings, narrow=narrow)


def _sign_in(job: FetchJob, session: Session) -> None:
    account = job.listing.account
    # UTF8 mode changes octets, so the first session of an account decides for all later ones.
    utf8 = session.capabilities.utf8 if account.utf8 is None else account.utf8
    session.sign_in(job.mailbox.credentials, utf8=utf8, auth=job.mailbox.auth)
    if account.utf8 is None:
        fix_utf8(job.listing.ledger, account, utf8)
        _reload(job)
    job.tally.last_login = job.clock.monotonic()
    job.tally.login_delay = float(session.capabilities.login_delay or 0)


def _list(job: FetchJob, session: Session) -> None:
    """Takes the listing and decides for each message whether it is known."""
    listing = job.listing
    count, _ = session.stat()
    listing.begin()
    # UIDL before LIST, since UIDL can change sizes (mailutils).
    has_uidl = True
    try:
        listing.add_uidls(session.uidls())
    except ServerRefused:
        has_uidl = False
    listing.add_sizes(session.sizes())
    listing.complete(count, has_uidl=has_uidl)
    capabilities = session.capabilities
    listing.classify(top=capabilities.top or not capabilities.advertised)
    _check(job, session)
    listing.settle(job.clock.now(), retires=_retires(job, session))
    _land_links(job)
    job.tally.wanted = job.tally.messages + listing.waiting()


def _check(job: FetchJob, session: Session) -> None:
    """Asks for the headers of the messages whose identity is in doubt."""
    refused = False

    def wanted() -> Iterator[Listed]:
        # A server without TOP is asked once: some reset the connection after several errors.
        for listed in job.listing.to_check():
            if refused:
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
                checked.append((listed, header.result()))
            case Refused():
                refused = True
        if len(checked) >= _CHECKED_AT_ONCE:
            job.listing.identify(checked, job.clock.now())
            checked = []
    job.listing.identify(checked, job.clock.now())


def _land_links(job: FetchJob) -> None:
    listing, now = job.listing, job.clock.now()
    while True:
        name = batch_name(now)
        draft = Draft(name=name, day=_day(now), segment="", octets=0)
        if not land_links(listing.ledger, listing.account, draft, now):
            return
        job.archiving.landed(name)


def _retrieve(job: FetchJob, session: Session) -> _End:
    """Retrieves what is wanted, as far as this session may go, and ends it as the rules say."""
    retiring = _retires(job, session)
    budget = _Budget(job, retiring=retiring)
    writer = BatchWriter(job.listing, job.spool, job.settings.name, job.clock)
    batches: list[str] = []
    try:
        for batch in _batches(job, session, budget, writer):
            batches.append(batch)
            job.archiving.landed(batch)
    except _Endless:
        _rescue(job, writer)
        return _End.MORE
    except ServerUnavailable as error:
        if isinstance(error, ProtocolError) and session.suspect is not None:
            job.tally.messages -= writer.disown(session.suspect)
        batches += _rescue(job, writer)
        raise
    except BaseException:
        writer.discard()
        raise
    held = retiring and (batches or job.listing.retrieved_unarchived())
    if held and not _all_archived(job, session, batches):
        session.drop()
    else:
        _quit(job, session)
    if budget.full:
        return _End.FULL
    return _End.MORE if budget.spent or (retiring and batches) else _End.DONE


def _batches(
    job: FetchJob, session: Session, budget: "_Budget", writer: BatchWriter
) -> Iterator[str]:
    refused: dict[int, Listed] = {}
    for event in session.retrieve(budget.wanted()):
        match event:
            case Chunk(octets):
                writer.write(octets)
                if writer.message_octets > job.settings.max_message:
                    listed = writer.abandon()
                    _refuse(job, listed, _too_large(job.settings))
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
            case Refused(listed, _, text):
                _refuse(job, listed, f"the server refused it: {text[:200]}")
                refused[listed.number] = listed
    if refused:
        _sort_out(job, session, refused)
    elif not writer.is_empty:
        # Any answer in step will do.
        with suppress(ServerRefused):
            session.noop()
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


def _rescue(job: FetchJob, writer: BatchWriter) -> list[str]:
    """Lands the messages that arrived whole before the connection was lost."""
    batch = writer.close()
    if batch is None:
        return []
    job.archiving.landed(batch)
    return [batch]


def _refuse(job: FetchJob, listed: Listed, reason: str, *, counted: bool = True) -> None:
    fail_fetch(job.listing, listed, reason, job.clock.now(), counted=counted)
    job.reporter.note(job.settings.name, f"message {listed.number} ({listed.uidl}): {reason}")


def _too_large(settings: AccountSettings) -> str:
    return f"larger than max_message, {settings.max_message} octets"


class _Budget:
    """Hands out the messages that a session may retrieve, and remembers why it stopped."""

    def __init__(self, job: FetchJob, *, retiring: bool) -> None:
        self._job = job
        self._retiring = retiring
        self._begun = job.tally.messages
        self.full = False
        self.spent = False

    def wanted(self) -> Iterator[Listed]:
        """The messages to retrieve, until one of the limits is reached."""
        job = self._job
        messages = octets = 0
        for listed in job.listing.to_fetch():
            size = listed.size or 0
            if size > job.settings.max_message:
                _refuse(job, listed, _too_large(job.settings), counted=False)
                continue
            if job.stopping() or self._reached_limit(messages):
                return
            if (
                self._retiring
                and messages
                and (messages >= _RETIRING_MESSAGES or octets + size > _RETIRING_OCTETS)
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
            yield listed

    def _reached_limit(self, messages: int) -> bool:
        limit = self._job.limit
        return limit is not None and self._begun + messages >= limit


def _retires(job: FetchJob, session: Session) -> bool:
    return session.capabilities.expire == 0 or job.settings.server.host in _RETIRING_HOSTS


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


def _quit(job: FetchJob, session: Session) -> None:
    try:
        session.quit()
    except (ServerRefused, SessionLost) as error:
        # Everything is durable and nothing was deleted, so a failing farewell loses nothing.
        job.reporter.note(job.settings.name, f"QUIT: {error.message}")


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
