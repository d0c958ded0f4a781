"""Fetch: everything that a mailbox holds and the ledger does not, into the spool.

An account takes as many sessions as its server makes necessary: after a lost connection, when the
spool was full, and where a session is given, or may take, only a part of the mailbox.
"""

from archiver.errors import Interrupted, ServerUnavailable
from archiver.stages.fetch_job import FetchJob
from archiver.stages.fetch_session import End, run_session
from archiver.stages.pacing import Patience, wait_for_login


def fetch(job: FetchJob) -> None:
    """Fetches one account until its server offers nothing new, or the run is asked to end.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost more often than the settings allow.
        LocalDiskError: the spool's disk is full; what was not durable is still on the server.
    """
    patience = Patience(job)
    while not job.stopping():
        wait_for_login(job)
        if job.stopping():
            return
        try:
            end = run_session(job)
        except Interrupted:
            return
        except ServerUnavailable as error:
            patience.again(error)
            continue
        # Where the limit is reached another login would bring nothing.
        if end is End.DONE or (job.limit is not None and job.tally.messages >= job.limit):
            return
        if end is End.FULL and not job.archiving.wait_for_space(job.tally.refused_octets):
            job.reporter.note(
                job.settings.name, "the spool is full: archiver upload makes room, then fetch again"
            )
            return
