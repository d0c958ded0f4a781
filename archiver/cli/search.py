"""``search``: finds archived messages by their words."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from archiver.cli import options
from archiver.cli.output import print_json
from archiver.cli.shown import harmless
from archiver.cli.status import state_of
from archiver.errors import NothingMatched
from archiver.state import StatePaths

if TYPE_CHECKING:
    from archiver.index import Hit


def command(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="All of them must occur.")],
    state: options.State = None,
    config: options.Config = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most N.")] = 50,
    as_json: options.Json = False,
) -> None:
    """Find messages by words in subject, addresses, text and attachment names, newest first."""
    from archiver.index import Index
    from archiver.query import parse
    from archiver.verbs.search import hit_json, search

    index = Index.open(StatePaths(state_of(state, config)).index, read_only=True)
    try:
        hits = search(index, parse(" ".join(words), now=time.time()), limit=limit)
    finally:
        index.close()
    for hit in hits:
        if as_json:
            print_json(hit_json(hit))
        else:
            show(hit)
    if not hits:
        raise NothingMatched(f"nothing matches {' '.join(words)}")


def show(hit: "Hit") -> None:
    """A hit as a few lines for a person."""
    day = "----------" if hit.date is None else f"{datetime.fromtimestamp(hit.date, UTC):%Y-%m-%d}"
    subject = harmless(hit.subject or "(no subject)")
    author = "" if hit.author is None else hit.author.name or hit.author.address
    typer.echo(f"{hit.digest[:12]}  {day}  {harmless(author)[:24]:<24}  {subject}")
    names = ", ".join(part.name or part.type for part in hit.attachments)
    if names:
        typer.echo(f"{'':14}[{harmless(names)}]")
    if hit.snippet:
        typer.echo(f"{'':14}{harmless(hit.snippet)}")
