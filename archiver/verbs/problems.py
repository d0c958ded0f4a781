"""``status --problems``: everything that waits, why it does, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archiver.format import time_text
from archiver.index import is_condemned
from archiver.ledger import Ledger
from archiver.ledger.backlog import Backlog, backlogs
from archiver.ledger.versions import Version, problems
from archiver.state import StatePaths

ADVICE = {
    "failed": "failed messages: the next run tries again, one that is too large once max_message is"
    " raised; archiver release ACCOUNT UIDL --give-up leaves one on the server for good",
    "held": "held messages wait: archiver release ACCOUNT UIDL has one tried again,"
    " with --show shows it, and with --give-up leaves it on the server for good",
    "given_up": "given up messages are left alone: archiver release ACCOUNT UIDL takes that back",
    "unarchived": "batches in the spool: archiver run archives them, and archiver import what was"
    " imported",
    "unconfirmed": "deletions: the next archiver run or prune sees whether the server carried them"
    " out",
    "set_aside": "segments that are set aside go when their messages are archived; archiver release"
    " ACCOUNT UIDL --discard removes one, and has its message fetched again",
    "untold": "events: the next archiver run tells them in a manifest",
    "distrusted": "UIDLs that are not trusted: nothing is to be done, headers and octets decide",
    "unended": "a run that has not ended goes on, or was cut: the next one goes on where it stood",
    "index_damaged": "the index: archiver index, or the next run, makes it again",
}
"""What to do, by the kind of problem."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that waits; ``message`` is the message, if it is one.

    Attributes:
        kind: a key of ``ADVICE``.
        account: the account's id, None for what concerns all.
        text: what waits, and why.
        message: the message.
        store: the store.
        count: how many messages, segments or events it is.
        octets: how many octets that is; None where that has no meaning, or is not known.
        since: since when, in seconds since the epoch; None where that is not known.
    """

    kind: str
    account: str | None
    text: str
    message: Version | None = None
    store: str | None = None
    count: int = 1
    octets: int | None = None
    since: int | None = None


def waiting(ledger: Ledger, paths: StatePaths) -> Iterator[Problem]:
    """Everything that waits: messages first, then what each account has still to do."""
    for message in problems(ledger):
        yield Problem(
            message.problem,
            message.account,
            message.reason,
            message,
            message.store,
            octets=message.octets,
            since=message.since,
        )
    for backlog in backlogs(ledger):
        yield from _of_account(backlog, paths)
    if is_condemned(paths.index):
        yield Problem("index_damaged", None, f"{paths.index} is damaged")


def _of_account(all_of: Backlog, paths: StatePaths) -> Iterator[Problem]:
    name, store = all_of.account, all_of.store
    if all_of.batches:
        yield Problem(
            "unarchived",
            name,
            f"waiting for {store}: messages {all_of.messages:,}, batches {all_of.batches:,}",
            store=store,
            count=all_of.messages,
            octets=all_of.octets,
            since=all_of.since,
        )
    if all_of.set_aside:
        yield Problem(
            "set_aside",
            name,
            f"set aside below {paths.spool}: segments {all_of.set_aside:,}",
            store=store,
            count=all_of.set_aside,
            octets=all_of.octets_set_aside,
        )
    if all_of.deleted:
        yield Problem(
            "unconfirmed",
            name,
            f"deleted, which no listing has confirmed yet: messages {all_of.deleted:,}",
            store=store,
            count=all_of.deleted,
            since=all_of.deleted_at,
        )
    if all_of.events:
        yield Problem(
            "untold",
            name,
            f"not told by a manifest yet: events {all_of.events:,}",
            store=store,
            count=all_of.events,
        )
    if all_of.cut_at is not None:
        yield Problem(
            "unended", name, f"{all_of.verb} has not ended", store=store, since=all_of.cut_at
        )
    if all_of.distrusted is not None:
        yield Problem(
            "distrusted", name, f"UIDLs are not trusted: {all_of.distrusted}", store=store
        )


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem as ``status --problems --json`` prints it: these fields are part of the interface.

    The first six are those of a message, and empty where it is none.
    """
    message = problem.message
    return {
        "account": problem.account,
        "uidl": None if message is None else message.uidl,
        "problem": problem.kind,
        "reason": problem.text,
        "tries": 0 if message is None else message.tries,
        "digest": None if message is None else message.digest,
        "store": problem.store,
        "count": problem.count,
        "octets": problem.octets,
        "since": None if problem.since is None else time_text(problem.since),
        "segment": None if message is None else message.segment or None,
        "do": ADVICE[problem.kind],
    }
