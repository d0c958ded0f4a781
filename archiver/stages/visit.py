"""A session with an account's mailbox: connect, sign in, and remember what that taught us."""

from collections.abc import Iterator
from contextlib import contextmanager

from archiver.errors import LoginRefused, ServerRefused, ServerUnavailable, SessionLost
from archiver.ledger.accounts import fix_utf8, forget_mechanism, narrow, note_login
from archiver.mailbox import limits
from archiver.pop3 import Limits, Session
from archiver.stages.fetch_job import FetchJob
from archiver.stages.pacing import FOR_GOOD


@contextmanager
def visit(job: FetchJob) -> Iterator[Session]:
    """Signs in for a listing, and drops the connection at the end unless it was quit.

    Raises:
        Interrupted: the run should have ended by now.
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, does not serve us now, or was lost.
    """
    session = Session.open(job.mailbox.server, _limits(job))
    job.tally.connected = True
    if not job.tally.warned:
        job.tally.warned = True
        for warning in session.warnings:
            job.reporter.note(job.settings.name, warning)
    with session:
        try:
            _sign_in(job, session)
            yield session
        except ServerRefused as error:
            raise _unserved(error) from error
        except SessionLost:
            if session.outstanding > 1:
                narrow(job.listing.ledger, job.listing.account, job.clock.now())
                job.reload()
            raise


def _unserved(error: ServerRefused) -> ServerUnavailable:
    hint = "try later"
    if error.code == FOR_GOOD:
        hint = "see that POP3 is switched on for this mailbox, or ask its provider"
    return ServerUnavailable(error.message, hint=hint, code=error.code)


def _limits(job: FetchJob) -> Limits:
    narrow = job.listing.account.narrow_until > job.clock.now()
    return limits(job.settings, narrow=narrow, stop=job.stop)


def _sign_in(job: FetchJob, session: Session) -> None:
    ledger, account = job.listing.ledger, job.listing.account
    announced = session.capabilities.login_delay
    job.tally.announced_delay = announced
    # UTF8 mode changes octets, so the first session of an account decides for all later ones.
    utf8 = session.capabilities.utf8 if account.utf8 is None else account.utf8
    try:
        session.sign_in(
            job.mailbox.credentials,
            utf8=utf8,
            auth=job.mailbox.auth,
            remembered=account.mechanism or "",
            listing=True,
        )
    except LoginRefused:
        forget_mechanism(ledger, account)
        raise
    if account.utf8 is None:
        fix_utf8(ledger, account, utf8)
    asked = session.capabilities.login_delay
    delay = announced if asked is None else asked
    note_login(ledger, account, now=job.clock.now(), delay=delay, mechanism=session.mechanism)
    job.reload()
