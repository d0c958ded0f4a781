"""``peek``: what waits in a mailbox."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import octets, print_json, say
from archiver.cli.shown import harmless
from archiver.cli.takes import takes
from archiver.errors import NothingMatched

if TYPE_CHECKING:
    from archiver.verbs.peek import Peek, Peeked


@takes(options.MAILBOX, options.PLACE)
def command(
    account: Annotated[
        str | None,
        typer.Argument(metavar="[ACCOUNT]", help="An account of archiver.toml."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show only the N newest.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Only count what is new; exit code 9 if nothing is.")
    ] = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """List what waits in a mailbox, without taking any of it: N is new, ! is large."""
    from archiver.verbs.peek import peeking

    found, state = options.one_account(account, given)
    with peeking(found, state) as peek:
        if new:
            count = peek.count_new()
        else:
            _list(peek, limit, as_json=as_json)
    if new:
        _tell(found.name, count, peek.total, as_json=as_json)


def _list(peek: "Peek", limit: int | None, *, as_json: bool) -> None:
    from archiver.verbs.peek import peeked_json

    for one in peek.messages(limit):
        if as_json:
            print_json(peeked_json(one))
        else:
            typer.echo(line(one))
    if not peek.has_top:
        say("this server has no TOP: only size and unique id can be shown")


def _tell(account: str, count: int, total: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"account": account, "new": count, "total": total})
    else:
        typer.echo(f"{count:,} new of {total:,}")
    if not count:
        raise NothingMatched(f"nothing new in {account}")


def line(one: "Peeked") -> str:
    """A message as one line for a person."""
    date = None if one.date is None else datetime.fromtimestamp(one.date, UTC)
    day = "-" * 16 if date is None else f"{date:%Y-%m-%d %H:%M}"
    author = "" if one.author is None else one.author.name or one.author.address
    size = "?" if one.size is None else octets(one.size)
    marks = f"{'N' if one.new else ' '}{'!' if one.large else ' '}"
    subject = f"uid {one.uidl}" if one.subject is None else one.subject or "(no subject)"
    author = harmless(author)[:24]
    return f"{one.number:>6} {marks} {day}  {author:<24} {size:>10}  {harmless(subject)}"
