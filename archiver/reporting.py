"""A run's account of itself: what became of every message that it met, added up."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from archiver.errors import ArchiverError
from archiver.ledger import Ledger, landing, manifests
from archiver.ledger.pruning import unconfirmed
from archiver.ledger.status import failing, given_up, problem_count
from archiver.model import Reconciliation
from archiver.working import Account


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
class PruneReport:
    """What ``prune`` did for an account.

    ``planned`` messages could go by what the ledger knew; ``kept`` counts those that stay, by the
    reason; ``deleted`` were sent DELE and QUIT; ``gone``, deleted now or earlier, are no longer
    listed; ``unconfirmed`` wait for a listing that tells.
    """

    account: str
    stage: str
    planned: int
    kept: Mapping[str, int]
    deleted: int
    gone: int
    unconfirmed: int
    seconds: float
    head: str | None


Report = Reconciliation | StageReport | PruneReport
"""What a verb did for one account."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    ``reports`` has one entry an account, in the order of the settings; ``errors`` what went wrong
    outside of single messages, each once.
    """

    reports: tuple[Report, ...]
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


def reconcile(ledger: Ledger, account: Account, work: Work) -> Reconciliation:
    """The reconciliation of an account's run; every listed message is in one term of its sum.

    Args:
        ledger: the ledger, when everything has ended.
        account: the account, whose listed messages are counted.
        work: the messages that became ARCHIVED, and the octets that were retrieved.
    """
    owner, counts = account.ledger_account, account.counts
    assert counts is not None
    # An upload that failed takes its message out of another term, and the sum stays whole.
    failed = failing(ledger, owner.row)
    lost = Counter(
        {end: len(failed.intersection(rows)) for end, rows in account.unarchived.items()}
    )
    return Reconciliation(
        account=owner.name,
        listed=counts.listed,
        known=counts.known - lost["known"],
        linked=counts.linked - lost["linked"],
        fetched=counts.fetched - lost["fetched"],
        archived=work.messages,
        deleted=account.deletion.deleted,
        gone=account.deletion.gone,
        held=problem_count(ledger, owner.row)[1],
        failed=counts.failed + lost.total(),
        vanished=counts.vanished,
        remaining=counts.remaining,
        bytes_fetched=work.octets,
        seconds=work.seconds,
        head=manifests.head(ledger, owner),
        given_up=given_up(ledger, owner.row),
    )


def report_prune(ledger: Ledger, account: Account, work: Work) -> PruneReport:
    """The report of ``prune``."""
    owner, done = account.ledger_account, account.deletion
    return PruneReport(
        account=owner.name,
        stage="prune",
        planned=done.planned,
        kept=done.kept,
        deleted=done.deleted,
        gone=done.gone,
        unconfirmed=unconfirmed(ledger, owner),
        seconds=work.seconds,
        head=manifests.head(ledger, owner),
    )


def report_stage(ledger: Ledger, account: Account, stage: str, work: Work) -> StageReport:
    """The report of a stage that ran alone."""
    owner = account.ledger_account
    return StageReport(
        account=owner.name,
        stage=stage,
        messages=work.messages,
        bytes=work.octets,
        failed=sum(problem_count(ledger, owner.row)),
        pending=len(landing.pending(ledger, owner, tries=account.settings.tries)),
        seconds=work.seconds,
    )
