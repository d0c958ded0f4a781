"""A run's account of itself: what became of every message that it met, added up."""

from collections.abc import Set
from dataclasses import dataclass

from archiver.errors import ArchiverError
from archiver.ledger import Ledger, landing, manifests
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.seen import Counts
from archiver.ledger.status import failing, problem_count
from archiver.model import Reconciliation


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage that ran alone did for an account; ``pending`` batches still wait for it."""

    account: str
    stage: str
    messages: int
    bytes: int
    failed: int
    pending: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    ``reports`` has one entry an account, in the order of the settings; ``errors`` what went wrong
    outside of single messages, each once.
    """

    reports: tuple[Reconciliation | StageReport, ...]
    errors: tuple[ArchiverError, ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a run did for one account: in messages and octets, between two times."""

    messages: int
    octets: int
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return round(self.ended - self.began, 3)


def reconcile(
    ledger: Ledger, account: LedgerAccount, counts: Counts, stuck: Set[int], work: Work
) -> Reconciliation:
    """The reconciliation of an account's run; every listed message is in one term of its sum.

    Args:
        ledger: the ledger, when everything has ended.
        account: the account.
        counts: how the messages that were listed ended, as far as fetching goes.
        stuck: rows of listed messages whose upload had failed when fetching ended.
        work: the messages that became ARCHIVED, and the octets that were retrieved.
    """
    # An upload that failed takes its message out of fetched or known, and the sum stays whole.
    failed = failing(ledger, account.row)
    new = sum(fetched_at >= int(work.began) for fetched_at in failed.values())
    old = sum(row in stuck for row in failed)
    return Reconciliation(
        account=account.name,
        listed=counts.listed,
        known=counts.known - old,
        linked=counts.linked,
        fetched=counts.fetched - new,
        archived=work.messages,
        held=problem_count(ledger, account.row)[1],
        failed=counts.failed + new + old,
        vanished=counts.vanished,
        remaining=counts.remaining,
        bytes_fetched=work.octets,
        seconds=work.seconds,
        head=manifests.head(ledger, account),
    )


def report_stage(
    ledger: Ledger, account: LedgerAccount, stage: str, tries: int, work: Work
) -> StageReport:
    """The report of a stage that ran alone."""
    return StageReport(
        account=account.name,
        stage=stage,
        messages=work.messages,
        bytes=work.octets,
        failed=sum(problem_count(ledger, account.row)),
        pending=len(landing.pending(ledger, account, tries=tries)),
        seconds=work.seconds,
    )
