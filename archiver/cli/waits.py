"""Messages that wait, as a person sees them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from archiver.cli.output import octets, shell_word
from archiver.cli.shown import harmless
from archiver.format import time_text

if TYPE_CHECKING:
    from archiver.ledger.versions import Version
    from archiver.verbs.headings import Heading

    Beside = Sequence[tuple[Version, Heading | None]]


def called(one: "Version") -> str:
    """A message's UIDL to copy into a shell; its digest where it has none."""
    if one.uidl is None:
        return one.digest or "(no UIDL)"
    return shell_word(one.uidl)


def show_beside(one: "Version", beside: "Beside") -> None:
    """A message, with all versions under its UIDL: what is where, and what is the matter."""
    typer.echo(f"{one.account}  {called(one)}  in {one.store}")
    for version, heading in beside:
        typer.echo(f"  {_where(version)}")
        if heading is not None:
            typer.echo(f"      {_heading(heading)}")
        if version.problem != "none":
            typer.echo(f"      {troubles(version)}")


def _where(one: "Version") -> str:
    """What of a message is where, as one line."""
    if one.digest is None:
        came = "" if one.size is None else f", of which {octets(one.size)} came and no end"
        return f"never fetched: {_size(one.listed_size)} by LIST{came}"
    if one.archived_at is not None and one.key is not None:
        at = time_text(one.archived_at)
        now = "" if one.stage == "archived" else f", now {one.stage.replace('_', ' ')}"
        return f"archived {at}{now}: {_size(one.size)}, {harmless(one.key)}"
    if one.segment:
        return f"in the spool: {_size(one.size)}, sha-256 {one.digest}, {harmless(one.segment)}"
    return f"{one.stage}: sha-256 {one.digest}"


def _size(number: int | None) -> str:
    return "of unknown size" if number is None else octets(number)


def _heading(heading: "Heading") -> str:
    date = None if heading.date is None else datetime.fromtimestamp(heading.date, UTC)
    day = "no date" if date is None else f"{date:%Y-%m-%d %H:%M}"
    author = heading.author
    name = "" if author is None else f"{author.name} <{author.address}>".strip()
    return f"{day}  {harmless(name)}  {harmless(heading.subject or '(no subject)')}"


def troubles(one: "Version") -> str:
    """What is the matter with a message, since when, and how often it was tried."""
    problem = one.problem.replace("_", " ")
    tries = "1 try" if one.tries == 1 else f"{one.tries} tries"
    since = "" if one.since is None else f", since {time_text(one.since)}"
    return f"{problem} after {tries}{since}: {harmless(one.reason)}"
