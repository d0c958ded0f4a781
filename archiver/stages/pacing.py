"""When to sign in next: after the delay that server or person want, or after a failure.

A server that wants time between logins (``LOGIN-DELAY``, RFC 2449 section 6.5) counts them over
all runs, so the ledger remembers the last one. Reconnecting lives here and nowhere else.
"""

from datetime import UTC, datetime
from math import ceil

from archiver.errors import ServerUnavailable, SessionLost
from archiver.stages.fetch_job import FetchJob

FOR_GOOD = "SYS/PERM"
"""The response code of what no repetition changes (RFC 3206 section 4)."""

_FIRST_BACKOFF_SECONDS = 0.5
_UNKNOWN_DELAY_SECONDS = 60.0
_LONGEST_DELAY_SECONDS = 3600.0


class Patience:
    """How often a server may fail: ``reconnects`` times, counted anew with each progress."""

    def __init__(self, job: FetchJob) -> None:
        self._job = job
        self._failures = 0
        self._settled = 0

    def again(self, error: ServerUnavailable) -> None:
        """Waits as this failure of a session asks for.

        Raises:
            ServerUnavailable: it was one too many, or there is no hope; the failure itself.
        """
        job = self._job
        # A refused message is not asked for again, which brings the ones behind it nearer: some
        # servers cut a session after a few refusals.
        settled = job.tally.messages + job.tally.refused
        self._failures = 1 if settled > self._settled else self._failures + 1
        self._settled = settled
        unreachable = not job.tally.connected and not isinstance(error, SessionLost)
        hopeless = unreachable or error.code == FOR_GOOD
        if hopeless or self._failures > job.settings.reconnects or job.stopping():
            raise error
        if error.code == "LOGIN-DELAY":
            _wait(job, self._refused_delay(), error.message)
            return
        pause = _FIRST_BACKOFF_SECONDS * 2 ** (self._failures - 1)
        job.reporter.note(job.settings.name, f"{error.message}; trying again in {pause:g} s")
        job.clock.sleep(pause)

    def _refused_delay(self) -> float:
        announced = self._job.tally.announced_delay or 0.0
        known = max(login_delay(self._job), announced) or _UNKNOWN_DELAY_SECONDS
        longest = max(known, _LONGEST_DELAY_SECONDS)
        return min(known * 2.0 ** (self._failures - 1), longest)


def login_delay(job: FetchJob) -> float:
    """Seconds from login to login, as the settings say, else as the server said last; 0 if none."""
    wanted = job.settings.login_delay
    return (job.listing.account.login_delay if wanted is None else wanted) or 0.0


def wait_for_login(job: FetchJob) -> None:
    """Waits until the mailbox may be signed in to again; ends early when the run is to end."""
    last, delay = job.listing.account.last_login, login_delay(job)
    if last is None:
        return
    # A clock that was set back must not make it longer.
    left = min(last + delay - job.clock.now(), delay)
    if left > 0:
        _wait(job, left, f"{delay:g} s have to pass between two logins")


def _wait(job: FetchJob, seconds: float, reason: str) -> None:
    name = job.settings.name
    until = datetime.fromtimestamp(job.clock.now() + seconds, UTC).astimezone()
    job.reporter.note(name, f"{reason}: waiting {seconds:.0f} s, until {until:%H:%M:%S}")
    job.reporter.waiting(name, seconds)
    try:
        job.clock.sleep(seconds)
    finally:
        job.reporter.waiting(name, 0)


def forecast(job: FetchJob, messages: int, octets: int) -> None:
    """Says how long a mailbox takes that is to be fetched over many sessions.

    Args:
        job: the account.
        messages: the most messages that a session may retrieve.
        octets: the most octets.
    """
    delay = login_delay(job)
    waiting = job.listing.waiting()
    sessions = max(ceil(waiting / messages), ceil(job.listing.waiting_octets() / octets))
    if delay and sessions > 1:
        hours = (sessions - 1) * delay / 3600
        job.reporter.note(
            job.settings.name,
            f"{waiting:,} messages remain: {sessions:,} sessions {delay:g} s apart"
            f" are {hours:,.1f} hours",
        )
