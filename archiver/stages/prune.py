"""Prune: delete on the server what the plan says and the store has shown to hold.

As many sessions as it takes, each complete in itself; then one more that confirms, where the server
allows another login at once.
"""

from archiver.errors import ServerUnavailable
from archiver.ledger.pruning import Pruning, unconfirmed
from archiver.ledger.showing import Showing
from archiver.stages.fetch_job import FetchJob
from archiver.stages.pacing import Patience, login_delay, wait_for_login
from archiver.stages.prune_plan import Verdict
from archiver.stages.prune_session import End, delete_session, look_session

_STRANGE_AT_MOST = 3
"""How many sessions of a deletion may end for what they met; a server may change it each time."""


def prune(job: FetchJob, pruning: Pruning, *, empty: bool) -> None:
    """Deletes what is planned, and confirms it.

    Args:
        job: the account; its listing is for this purpose alone.
        pruning: the plan, whose copies were read back.
        empty: whether the mailbox may be emptied.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost more often than the settings allow.
        DeletionStopped: too much would be deleted, or the server does not delete as it should.
    """
    listing = job.listing
    showing = Showing(
        listing.ledger, listing.account, goes=Verdict.GOES, unreadable=Verdict.UNREADABLE
    )
    patience = Patience(job)
    ends: list[End] = []
    # What a session met that must not leave is not asked for by the next one, which goes on.
    while (not ends or ends[-1] is not End.DONE) and ends.count(End.STRANGE) < _STRANGE_AT_MOST:
        wait_for_login(job)
        if job.stopping():
            return
        try:
            ends.append(delete_session(job, showing, empty=empty))
        except ServerUnavailable as error:
            patience.again(error)
        job.tally.messages = pruning.sent(Verdict.GOES)
    confirm(job)
    pruning.recall(Verdict.GOES, Verdict.STILL_LISTED)


def confirm(job: FetchJob) -> None:
    """Sees by another listing what was deleted; where the server wants to wait, the next run does.

    Raises:
        LoginRefused, ServerUnavailable: the session failed; the next run confirms.
    """
    waiting = unconfirmed(job.listing.ledger, job.listing.account)
    if not waiting or job.stopping():
        return
    if login_delay(job):
        job.reporter.note(
            job.settings.name,
            f"the next run confirms the deletion of {waiting:,} messages:"
            " the server wants time between logins",
        )
        return
    look(job)


def look(job: FetchJob) -> None:
    """Lists the mailbox, as soon as the server allows a login, and does nothing else.

    Raises:
        LoginRefused, ServerUnavailable: as for ``prune``.
    """
    patience = Patience(job)
    while not job.stopping():
        wait_for_login(job)
        if job.stopping():
            return
        try:
            look_session(job)
            return
        except ServerUnavailable as error:
            patience.again(error)
