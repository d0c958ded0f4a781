"""Which messages may leave the server: the decision, as a pure function over what is known.

A plan is made from the ledger, before anything is asked of the server; what the server then shows
can only take messages out of it, never put one in.
"""

from enum import StrEnum

from archiver.config import Deletion
from archiver.errors import DeletionStopped
from archiver.model import Present, Stage

BRAKE_FROM = 10
"""A mailbox of more messages is emptied only when a person said so."""

_DAY_SECONDS = 86_400


class Verdict(StrEnum):
    """Why a message goes, or why it stays."""

    GOES = "goes"
    NEVER = "policy-never"
    NOT_ARCHIVED = "not-archived"
    PROBLEM = "problem"
    TOO_YOUNG = "too-young"
    KEPT_LATEST = "kept-latest"
    TOO_SMALL = "too-small"
    UNLISTED = "not-listed"
    LIFECYCLE = "lifecycle"
    UNREADABLE = "not-readable"
    NOT_SHOWN = "identity-not-shown"
    REFUSED = "refused"
    STILL_LISTED = "still-listed"


WORDS = {
    Verdict.GOES: "may go",
    Verdict.NEVER: 'kept by policy: delete = "never"',
    Verdict.NOT_ARCHIVED: "not archived",
    Verdict.PROBLEM: "has a problem",
    Verdict.TOO_YOUNG: "archived too recently",
    Verdict.KEPT_LATEST: "among the newest",
    Verdict.TOO_SMALL: "not large enough",
    Verdict.UNLISTED: "the server no longer shows it",
    Verdict.LIFECYCLE: "the bucket's rules may take its copy away",
    Verdict.UNREADABLE: "its copy was not read back from the store",
    Verdict.NOT_SHOWN: "the server was not shown to hold these octets now",
    Verdict.REFUSED: "the server refused to delete it",
    Verdict.STILL_LISTED: "the server lists it after all",
}
"""Each verdict for a person."""


def judge(present: Present, policy: Deletion, now: float) -> Verdict:
    """Whether a message may go, or the first reason why it may not.

    Args:
        present: the message.
        policy: what a person allows.
        now: the time, in seconds since the epoch.
    """
    if present.archived_at is None or present.digest is None:
        return Verdict.PROBLEM if present.troubled else Verdict.NOT_ARCHIVED
    if present.stage not in (Stage.ARCHIVED, Stage.LINKED):
        return Verdict.NOT_ARCHIVED
    if present.troubled:
        return Verdict.PROBLEM
    if policy.delete != "verified":
        return Verdict.NEVER
    if present.newer < policy.keep_latest:
        return Verdict.KEPT_LATEST
    if now - present.archived_at < policy.after_days * _DAY_SECONDS:
        return Verdict.TOO_YOUNG
    if present.size <= policy.larger_than:
        return Verdict.TOO_SMALL
    return Verdict.GOES


def brake(going: int, listed: int, policy: Deletion) -> str | None:
    """Why so large a deletion needs a person's word, or None.

    Args:
        going: how many messages would be deleted.
        listed: how many the mailbox has.
        policy: what a person allows without further words.
    """
    if going >= listed > BRAKE_FROM:
        return f"all {listed:,} messages of the mailbox would be deleted"
    if going > policy.max_delete:
        return f"{going:,} messages would be deleted, more than max_delete = {policy.max_delete:,}"
    return None


def stopped(reason: str) -> DeletionStopped:
    """The end of a deletion that is larger than anybody is likely to mean."""
    return DeletionStopped(
        f"nothing is deleted: {reason}",
        hint="archiver prune --dry-run shows the plan; --yes-delete-all carries it out",
    )
