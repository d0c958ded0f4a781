"""A message as lines for a person: what matters of its header, its texts, its parts."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from archiver.cli.output import octets
from archiver.cli.shown import harmless, readable
from archiver.cli.wrapping import wrapped

if TYPE_CHECKING:
    from archiver.mail import ShownText, View
    from archiver.model import Address, Mail

_INDENT = 10
_PEOPLE = 50
_UNWRAPPED = 1 << 30


def letter(mail: "Mail", view: "View", accounts: Sequence[str]) -> list[str]:
    """The lines of a message, made to fit the terminal where stdout is one."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNWRAPPED
    lines: list[str] = []
    for name, value in _head(mail, accounts):
        if value:
            lines += _field(name, harmless(value), width)
    several = len(view.texts) > 1
    for text in view.texts:
        lines += ["", *([f"-- part {_number(text.number)} --"] if several else [])]
        lines += _body(text, width)
    if view.unshown:
        lines += ["", f"({view.unshown:,} more texts are not shown: --part has each)"]
    if len(view.parts) > 1 or not view.texts:
        lines += ["", *_parts(view)]
    return lines


def _head(mail: "Mail", accounts: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "From", _people(mail.authors)
    if mail.reply_to and mail.reply_to != mail.authors:
        yield "Reply-To", _people(mail.reply_to)
    yield "To", _people(mail.to)
    yield "Cc", _people(mail.cc)
    yield "Bcc", _people(mail.bcc)
    yield "Date", _date(mail)
    yield "Subject", mail.subject or "(no subject)"
    yield "List", mail.list_id or ""
    yield "Account", ", ".join(accounts)
    yield "Size", octets(mail.size)
    yield "Digest", mail.digest
    yield "Defects", ", ".join(mail.defects)


def _field(name: str, value: str, width: int) -> Iterator[str]:
    head = f"{name}:".ljust(_INDENT)
    for line in wrapped(value, width - _INDENT):
        yield head + line
        head = " " * _INDENT


def _people(people: Sequence["Address"]) -> str:
    shown = ", ".join(
        f"{one.name} <{one.address}>" if one.name and one.address else one.name or one.address
        for one in people[:_PEOPLE]
    )
    more = len(people) - _PEOPLE
    return f"{shown} and {more:,} more" if more > 0 else shown


def _date(mail: "Mail") -> str:
    said = (mail.date_header or "")[:200]
    if mail.date is None:
        return f"{said} (not understood)" if said else "(none)"
    here = datetime.fromtimestamp(mail.date).astimezone()
    return f"{said} (here {here:%Y-%m-%d %H:%M %Z})"


def _body(text: "ShownText", width: int) -> Iterator[str]:
    plain = text.text.replace("\r\n", "\n").replace("\r", "\n")
    for line in plain.rstrip().lstrip("\n").split("\n"):
        yield from wrapped(readable(line), width)
    if text.cut:
        yield f"(there is more of it: --part {_number(text.number)} has all)"
    if text.links:
        yield ""
    for number, link in enumerate(text.links, 1):
        yield f"[{number}] {harmless(link)}"


def _parts(view: "View") -> Iterator[str]:
    shown = {text.number for text in view.texts}
    yield "Parts:"
    for part in view.parts:
        name = harmless(part.name or "")
        mark = "(shown)" if part.number in shown else ""
        size = octets(part.size)
        told = "  ".join(filter(None, (name, mark)))
        yield f"  {_number(part.number):<6} {harmless(part.type):<28} {size:>10}  {told}".rstrip()
    if view.unlisted:
        yield f"  ({view.unlisted:,} more parts are not listed: --json lists them)"


def _number(number: Sequence[int]) -> str:
    return ".".join(map(str, number))
