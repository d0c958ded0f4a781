"""What was found, as lines for a person: as wide as the terminal, with what matched in bold."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from archiver.cli.shown import harmless

if TYPE_CHECKING:
    from archiver.index import Conversation, Hit

_AUTHOR_CELLS = 24
_INDENT = " " * 14
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Page:
    """Which of what was found is shown, and how."""

    limit: int
    offset: int
    sort: str
    as_json: bool


def show_hit(hit: "Hit", terms: Sequence[str] = (), indent: str = "") -> None:
    """A message in up to three lines."""
    day = "----------" if hit.date is None else f"{datetime.fromtimestamp(hit.date, UTC):%Y-%m-%d}"
    author = "" if hit.author is None else hit.author.name or hit.author.address
    head = f"{indent}{hit.digest[:12]}  {day}  {_column(harmless(author), _AUTHOR_CELLS)}  "
    _line(head, hit.subject or "(no subject)", terms)
    names = ", ".join(part.name or part.type for part in hit.attachments)
    if names:
        _line(indent + _INDENT, f"[{names}]", terms)
    if hit.snippet:
        _line(indent + _INDENT, hit.snippet, terms)


def show_conversation(one: "Conversation", terms: Sequence[str] = ()) -> None:
    """A conversation: who wrote in it, how much, and what matches."""
    matched = "" if one.matched == one.messages else f", {one.matched:,} match"
    count = f"{one.messages:,} message{'s' if one.messages != 1 else ''}{matched}"
    _line(f"{count}: ", ", ".join(one.authors), ())
    for hit in one.hits:
        show_hit(hit, terms, "  ")
    if one.matched > len(one.hits):
        typer.echo(f"  and {one.matched - len(one.hits):,} older ones")
    typer.echo()


def _line(head: str, text: str, terms: Sequence[str]) -> None:
    """Prints a line; on a terminal it is cut to fit, and what matches is bold."""
    text = harmless(text)
    if not sys.stdout.isatty():
        typer.echo(head + text)
        return
    from rich.cells import cell_len

    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    text = _fitted(text, max(width - cell_len(head), 1))
    typer.echo(head + (text if "NO_COLOR" in os.environ else _marked(text, terms)))


def _marked(text: str, terms: Sequence[str]) -> str:
    from archiver.index import marks

    shown, at = "", 0
    for begin, end in marks(text, terms):
        shown += f"{text[at:begin]}{_BOLD}{text[begin:end]}{_PLAIN}"
        at = end
    return shown + text[at:]


def _column(text: str, cells: int) -> str:
    """A text in exactly so many cells; a character of Han takes two."""
    from rich.cells import set_cell_size

    return set_cell_size(text, cells)


def _fitted(text: str, cells: int) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + "…"
