"""``release``: a person decides about messages that wait: they are tried again, or given up.

What there is under a message's UIDL is shown before anything is decided. A decision changes the
ledger alone, and the local spool where that is asked for; the next run carries it out.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from archiver.errors import UsageError
from archiver.format import time_text
from archiver.ledger import Ledger, holding, returning
from archiver.ledger.status import names
from archiver.ledger.versions import Version, problems, versions
from archiver.state import Spool
from archiver.verbs.headings import Heading


class Decision(StrEnum):
    """What becomes of messages that wait.

    ``SHOW``: nothing is decided. ``TRY_AGAIN``: the next run takes them as if they had never
    failed. ``GIVE_UP``: they stay on the server for good. Octets that are in the spool stay there,
    unless they are discarded as well: then a message that is tried again is fetched again.
    """

    SHOW = "show"
    TRY_AGAIN = "try_again"
    GIVE_UP = "give_up"


def account_named(ledger: Ledger, account: str) -> str:
    """The id of an account that is written in any case.

    Raises:
        UsageError: there is none.
    """
    name = account.lower()
    if name not in (known := names(ledger)):
        raise UsageError(
            f"nothing was ever archived from {account}", hint=f"known are {', '.join(known)}"
        )
    return name


def choose(
    ledger: Ledger,
    account: str,
    named: Sequence[str] | None,
    decision: Decision,
    *,
    discard: bool = False,
) -> list[Version]:
    """The messages that are decided about.

    Args:
        ledger: the ledger.
        account: the account's id.
        named: their UIDLs or digests; None for all of the account that failed or are held.
        decision: what is to become of them.
        discard: whether their octets are to go from the spool.

    Raises:
        UsageError: there is no such message, or it cannot be decided so.
    """
    if named is None:
        return [one for one in problems(ledger, account) if one.problem != "given_up"]
    chosen = {one.row: one for word in named for one in _find(ledger, account, word, decision)}
    for one in chosen.values():
        if decision is Decision.GIVE_UP:
            _check_identity(one)
        if discard and one.segment:
            _check_octets(ledger, one, decision)
    return list(chosen.values())


def _find(ledger: Ledger, account: str, word: str, decision: Decision) -> list[Version]:
    found = [one for one in problems(ledger, account) if word in (one.uidl, one.digest)]
    if not found and decision is Decision.SHOW:
        found = versions(ledger, account, word)[-1:]
    if not found:
        raise UsageError(
            f"{account} has no message with the UIDL {word!r} that failed, is held or given up",
            hint="archiver status --problems lists them; nothing was decided",
        )
    return found


def _check_identity(one: Version) -> None:
    if one.digest is None and _has_no_name(one):
        raise UsageError(
            f"{_called(one)} cannot be given up, since it could not be told from the next message:"
            f" {one.distrusted or 'it has no UIDL'}",
            hint="archiver pop can delete it on the server; nothing was decided",
        )


def _check_octets(ledger: Ledger, one: Version, decision: Decision) -> None:
    reason = None
    if _has_no_name(one):
        if decision is Decision.GIVE_UP:
            reason = "they alone tell it from the next message, since no UIDL does"
    elif stand_beside(ledger, one)[-1].row != one.row:
        reason = "the server has others under that UIDL by now, so these may be the only ones"
    if reason is None and not holding.is_apart(ledger, one.row):
        reason = (
            "they lie among others, or are on their way into the store; archiver run moves them"
        )
    if reason is not None:
        raise UsageError(
            f"the octets of {_called(one)} cannot be discarded: {reason}",
            hint="without --discard they stay where they are; nothing was decided",
        )


def _has_no_name(one: Version) -> bool:
    return one.uidl is None or one.distrusted is not None


def _called(one: Version) -> str:
    return f"{one.account} {one.uidl or one.digest!r}"


def stand_beside(ledger: Ledger, one: Version) -> list[Version]:
    """All versions under a message's UIDL in the same store, itself among them, oldest first."""
    if one.uidl is None:
        return [one]
    return [each for each in versions(ledger, one.account, one.uidl) if each.store == one.store]


def decide(
    ledger: Ledger,
    spool: Spool,
    chosen: Sequence[Version],
    decision: Decision,
    *,
    discard: bool = False,
) -> None:
    """Carries a decision out.

    Args:
        ledger: the ledger; the account's lock is held.
        spool: where octets may wait.
        chosen: the messages (``choose``).
        decision: what becomes of them.
        discard: whether their octets go from the spool.
    """
    rows = [one.row for one in chosen]
    if decision is Decision.TRY_AGAIN:
        holding.release(ledger, rows)
    elif decision is Decision.GIVE_UP:
        holding.give_up(ledger, rows)
    for segment in {one.segment for one in chosen if discard} - {""}:
        # The ledger first: a segment of which it knows nothing is removed by the next run.
        returning.give_back(ledger, segment)
        spool.remove(segment)


def decided_json(
    one: Version,
    beside: Sequence[tuple[Version, Heading | None]],
    decision: Decision,
    *,
    discard: bool = False,
) -> dict[str, Any]:
    """A message as ``release --json`` prints it: as it was, and what becomes of it.

    Args:
        one: the message.
        beside: all versions under its UIDL.
        decision: what becomes of it.
        discard: whether its octets go from the spool.
    """
    return {
        **problem_json(one),
        "store": one.store,
        "decision": None if decision is Decision.SHOW else str(decision),
        "discarded": discard and bool(one.segment),
        "versions": [_version_json(version, heading) for version, heading in beside],
    }


def problem_json(one: Version) -> dict[str, Any]:
    """A message that waits, as ``release --json`` and ``status --problems --json`` print it."""
    return {
        "account": one.account,
        "uidl": one.uidl,
        "problem": one.problem,
        "reason": one.reason,
        "tries": one.tries,
        "digest": one.digest,
    }


def _version_json(one: Version, heading: Heading | None) -> dict[str, Any]:
    author = None if heading is None else heading.author
    return {
        "stage": str(one.stage),
        "problem": one.problem,
        "reason": one.reason,
        "tries": one.tries,
        "digest": one.digest,
        "size": one.size,
        "listed_size": one.listed_size,
        "listed_at": _time(one.listed_at),
        "fetched_at": _time(one.fetched_at),
        "archived_at": _time(one.archived_at),
        "key": one.key,
        "segment": one.segment or None,
        "date": None if heading is None else _time(heading.date),
        "from": None if author is None else {"name": author.name, "address": author.address},
        "subject": None if heading is None else heading.subject,
    }


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else time_text(seconds)
