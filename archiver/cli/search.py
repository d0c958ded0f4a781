"""``search``: finds archived messages by what they say."""

import csv
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from archiver.cli import options
from archiver.cli.found import Page, show_conversation, show_hit
from archiver.cli.output import print_json, say
from archiver.cli.status import state_of
from archiver.errors import NothingMatched, UsageError
from archiver.state import StatePaths

if TYPE_CHECKING:
    from archiver.index import Hit, Index
    from archiver.query import Query

EXAMPLES = """
Words must all occur; "phrases" stand in double quotes. Fields: from: to: cc: bcc: anyone: subject:
body: attachment: filename: type: list: id: account: digest: has:attachment after: before: on:
larger: smaller:. A minus before a term excludes it, OR and parentheses combine, word* goes on.

archiver search 'from:ann after:2024-05 "signed contract" -draft'

archiver search 'has:attachment larger:5M before:1y'
"""

# A term may begin with a minus.
CONTEXT = {"ignore_unknown_options": True, "help_option_names": ["--help"]}

_SORTS = ("date", "size", "relevance")

QUERY = typer.Argument(
    metavar="[QUERY]...", help="What is asked for; all messages if nothing is.", show_default=False
)


def command(
    query: Annotated[list[str] | None, QUERY] = None,
    state: options.State = None,
    config: options.Config = None,
    sort: Annotated[
        str, typer.Option(metavar="|".join(_SORTS), help="The newest, largest or best first.")
    ] = "date",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most N.")] = 50,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Pass over the first N.")] = 0,
    count: Annotated[bool, typer.Option("--count", help="Print only how many there are.")] = False,
    threads: Annotated[
        bool, typer.Option("--threads", help="Show conversations, and what matches in each.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print how the query is understood, and stop.")
    ] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Print digests alone, one a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table as CSV.")] = False,
    as_json: options.Json = False,
) -> None:
    """Find messages by what they say, by whom, when and how large, the newest first."""
    forms = {"--count": count, "--ids": ids, "--csv": as_csv, "--json": as_json and not count}
    _check(forms, {"--threads": threads, "--ids": ids, "--csv": as_csv}, sort)
    wanted = parsed(query)
    if explain:
        from archiver.query import explain as explained

        typer.echo(explained(wanted))
        return
    index = opened(state, config)
    try:
        page = Page(limit, offset, sort, as_json=as_json)
        if count:
            _count(index, wanted, as_json=as_json)
        elif threads:
            _threads(index, wanted, page)
        else:
            _messages(index, wanted, page, "ids" if ids else "csv" if as_csv else "")
    finally:
        index.close()


def parsed(query: Sequence[str] | None) -> "Query":
    """The query that a person typed as the words of a command.

    Raises:
        UsageError: there is a mistake in it.
    """
    from archiver.query import parse

    for word in query or ():
        # A term may begin with a minus, so an option that was mistyped comes here as one.
        if word.startswith("--"):
            raise UsageError(f"there is no option {word}", hint="--help lists them")
    return parse(" ".join(query or ()), now=time.time())


def opened(state: "options.State", config: "options.Config") -> "Index":
    """The index of the state directory that these options name, to be read."""
    from archiver.index import Index

    return Index.open(StatePaths(state_of(state, config)).index, read_only=True)


def _check(forms: dict[str, bool], shapes: dict[str, bool], sort: str) -> None:
    for choice in (forms, shapes):
        given = [name for name, chosen in choice.items() if chosen]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} do not go together", hint="give one of them")
    if sort not in _SORTS:
        raise UsageError(f"--sort {sort}: expected one of {', '.join(_SORTS)}")
    if shapes["--threads"] and sort != "date":
        raise UsageError("--threads come with the newest first", hint="leave --sort out")


def _count(index: "Index", query: "Query", *, as_json: bool) -> None:
    found = index.count(query)
    if as_json:
        print_json({"messages": found})
    else:
        typer.echo(found)
    _matched(found)


def _messages(index: "Index", query: "Query", page: Page, form: str) -> None:
    from archiver.index import Sort, sought
    from archiver.verbs.search import hit_json

    hits = index.search(query, sort=Sort(page.sort), limit=page.limit, offset=page.offset)
    terms = sought(query)
    if form == "csv":
        _print_csv(hits)
    for hit in hits if form != "csv" else ():
        if form == "ids":
            typer.echo(hit.digest)
        elif page.as_json:
            print_json(hit_json(hit))
        else:
            show_hit(hit, terms)
    if len(hits) == page.limit and not (form or page.as_json):
        _tell_of_more(len(hits), index.count(query), page, "messages")
    _matched(len(hits))


def _threads(index: "Index", query: "Query", page: Page) -> None:
    from archiver.index import sought
    from archiver.verbs.search import conversation_json

    found = index.conversations(query, limit=page.limit, offset=page.offset)
    terms = sought(query)
    for one in found:
        if page.as_json:
            print_json(conversation_json(one))
        else:
            show_conversation(one, terms)
    if len(found) == page.limit and not page.as_json:
        say(f"{len(found):,} conversations are shown; --limit and --offset show others")
    _matched(len(found))


def _tell_of_more(shown: int, found: int, page: Page, what: str) -> None:
    if page.offset + shown < found:
        say(f"{shown:,} of {found:,} {what} are shown; --limit and --offset show others")


def _print_csv(hits: "Sequence[Hit]") -> None:
    from archiver.verbs.search import CSV_COLUMNS, csv_rows

    writer = csv.writer(sys.stdout)
    writer.writerow(CSV_COLUMNS)
    writer.writerows(csv_rows(hits))


def _matched(found: int) -> None:
    if not found:
        raise NothingMatched("nothing matches", hint="--explain shows how the query is understood")
