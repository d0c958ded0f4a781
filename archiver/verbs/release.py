"""``release``: has messages that wait for a person tried again by the next run."""

from collections.abc import Sequence
from typing import Any

from archiver.errors import UsageError
from archiver.ledger import Ledger, holding
from archiver.ledger.status import ProblemRow, names, problems


def release(ledger: Ledger, account: str, uidls: Sequence[str] | None) -> list[ProblemRow]:
    """Releases the messages of an account that are held, or failed.

    Args:
        ledger: the ledger.
        account: the account's id, in any case.
        uidls: the UIDLs of the messages, None for all that have a problem.

    Returns:
        The messages that were released, with the problems that they had.

    Raises:
        UsageError: there is no such account, or it has no such message with a problem; nothing
            was released.
    """
    name = account.lower()
    if name not in (known := names(ledger)):
        raise UsageError(
            f"nothing was ever archived from {account}", hint=f"known are {', '.join(known)}"
        )
    stuck = {problem.uidl for problem in problems(ledger) if problem.account == name}
    for uidl in uidls or ():
        if uidl not in stuck:
            raise UsageError(
                f"{name} has no message with the UIDL {uidl!r} that failed or is held",
                hint="archiver status --problems lists them; nothing was released",
            )
    return holding.release(ledger, name, uidls)


def released_json(released: ProblemRow) -> dict[str, Any]:
    """A message as ``--json`` prints it."""
    return {
        "account": released.account,
        "uidl": released.uidl,
        "problem": released.problem,
        "reason": released.reason,
        "tries": released.tries,
        "digest": released.digest,
    }
