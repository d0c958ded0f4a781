"""``show``: prints an archived message, or writes its octets and those of its parts to a file."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from archiver.cli import options
from archiver.cli.destination import Destination
from archiver.cli.letter import letter
from archiver.cli.output import print_json, say
from archiver.cli.pager import print_lines
from archiver.cli.shown import harmless
from archiver.cli.takes import takes
from archiver.errors import NothingMatched, UsageError
from archiver.safe_names import safe_name, unnamed

if TYPE_CHECKING:
    from archiver.mail import Number
    from archiver.state import StatePaths
    from archiver.verbs.show import Candidate
    from archiver.verbs.stored import StoredMessages

_REMOTE = "the HTML is as it came: a browser may load what its sender chose; see --safe-html"


class _Way(StrEnum):
    """What is shown of a message."""

    TEXT = "text"
    JSON = "--json"
    RAW = "--raw"
    HEADERS = "--headers"
    HTML = "--html"
    SAFE_HTML = "--safe-html"
    PART = "--part"


@takes(options.STORE, options.PLACE)
def command(
    *,
    named: Annotated[
        str,
        typer.Argument(metavar="ID", help="The beginning of its digest, or its Message-ID."),
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Its exact octets.")] = False,
    headers: Annotated[bool, typer.Option("--headers", help="Its header as it is.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Its HTML text as it is.")] = False,
    safe: Annotated[
        bool, typer.Option("--safe-html", help="The same for a browser that may load nothing.")
    ] = False,
    part: Annotated[
        str | None, typer.Option(metavar="N", help="One part, decoded, by its number (2, or 3.1).")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where octets go: a file, a directory, or - (stdout)."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE; print octets on a terminal.")
    ] = False,
    pager: Annotated[
        bool | None,
        typer.Option("--pager/--no-pager", help="Page long text; default: if $PAGER is set."),
    ] = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Print one archived message: what matters of its header, its text, and what is attached.

    ID is the beginning of the digest that search prints, at least 6 digits, or a Message-ID. The
    octets are checked against the digest. Nothing is fetched from anywhere but the archive.
    """
    from archiver.state import StatePaths
    from archiver.verbs.show import candidates, read_record, show_json, wanted
    from archiver.verbs.stored import stored_messages

    asked = wanted(named)
    number = None if part is None else _number(part)
    way = _way(
        {
            _Way.RAW: raw,
            _Way.HEADERS: headers,
            _Way.HTML: html,
            _Way.SAFE_HTML: safe,
            _Way.PART: number is not None,
            _Way.JSON: as_json,
        }
    )
    destination = _destination(way, output, force)
    found = options.stored(given)
    paths = StatePaths(Path(found.state))
    with stored_messages(found.store, paths) as stored:
        meant = candidates(paths.index, stored, asked)
        if not meant:
            raise NothingMatched(f"no message is {harmless(named)}", hint=_hint(paths, stored))
        message = _only(meant, named)
        source = stored.locate(message)
        with stored.read(source) as stream:
            if way not in (_Way.TEXT, _Way.JSON):
                _give(way, stream, message, number, destination)
                return
            mail = read_record(stream, stored.fetched_at(message.digest))
            if way is _Way.JSON:
                print_json(show_json(stream, mail, message, spooled=bool(source.spooled)))
                return
            from archiver.mail import view_mail

            print_lines(letter(mail, view_mail(stream, mail), message.accounts), pager)


def _way(given: Mapping[_Way, bool]) -> _Way:
    chosen = [way for way, value in given.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} are different things", hint="choose one")
    return chosen[0] if chosen else _Way.TEXT


def _destination(way: _Way, output: str | None, force: bool) -> Destination:
    if output is not None and way in (_Way.TEXT, _Way.JSON):
        raise UsageError("--output goes with --raw, --headers, --html, --safe-html or --part")
    destination = Destination(output, force)
    destination.check(shown=way in (_Way.TEXT, _Way.JSON, _Way.HEADERS))
    return destination


def _number(typed: str) -> "Number":
    from archiver.mail import NESTING_LIMIT

    digits = typed.split(".")
    if len(digits) > NESTING_LIMIT or not all(
        one.isascii() and one.isdigit() and len(one) < 10 for one in digits
    ):
        raise UsageError(
            f"{typed!r} is no number of a part", hint="archiver show ID lists them: 2, or 3.1"
        )
    return tuple(map(int, digits))


def _hint(paths: "StatePaths", stored: "StoredMessages") -> str:
    """Why a message may not be found that is archived."""
    if not paths.ledger.exists() and not paths.index.exists():
        return f"nothing is known in {paths.root}: archiver rebuild makes it known from the store"
    missing = stored.unindexed()
    return f"{missing:,} messages are not indexed yet: archiver index" if missing else ""


def _only(found: "list[Candidate]", named: str) -> "Candidate":
    """The one message that is meant."""
    from archiver.verbs.show import LIMIT

    if len(found) > 1:
        lines = [_line(message) for message in found[:LIMIT]]
        many = f"{len(found)} messages are" if len(found) <= LIMIT else "too many messages are"
        raise UsageError(f"{many} {harmless(named)}; which one?", hint="\n  ".join(lines))
    return found[0]


def _line(message: "Candidate") -> str:
    hit = message.hit
    day = "-" * 10
    if hit is not None and hit.date is not None:
        day = f"{datetime.fromtimestamp(hit.date, UTC):%Y-%m-%d}"
    subject = "(not indexed)" if hit is None else hit.subject or "(no subject)"
    accounts = ", ".join(message.accounts)
    return f"{message.digest[:16]}  {day}  {harmless(accounts)}  {harmless(subject)}"


def _give(
    way: _Way,
    stream: BinaryIO,
    message: "Candidate",
    number: "Number | None",
    destination: Destination,
) -> None:
    from archiver.verbs.show import header_octets

    name = message.digest[:12]
    if way is _Way.RAW:
        destination.give(iter(lambda: stream.read(1 << 20), b""), f"{name}.eml")
    elif way is _Way.HEADERS and destination.is_terminal:
        for line in header_octets(stream):
            typer.echo(harmless(line.decode("utf-8", "replace").rstrip("\r\n")))
    elif way is _Way.HEADERS:
        destination.give(header_octets(stream), f"{name}.txt")
    elif way in (_Way.HTML, _Way.SAFE_HTML):
        _html(way, stream, message, destination)
    elif number is not None:
        _part(stream, message, number, destination)


def _html(way: _Way, stream: BinaryIO, message: "Candidate", destination: Destination) -> None:
    from archiver.mail import html_part, safe_html

    part = html_part(stream, message.size)
    if part is None:
        raise NothingMatched(f"message {message.digest[:12]} has no HTML text")
    name = f"{message.digest[:12]}.html"
    if way is _Way.HTML:
        destination.give(part.octets(), name)
        say(_REMOTE)
        return
    document, cut = safe_html(part)
    destination.give([document], name)
    if cut:
        say("only the first 8 MiB of it")


def _part(
    stream: BinaryIO, message: "Candidate", number: "Number", destination: Destination
) -> None:
    from archiver.mail import part_of
    from archiver.verbs.show import number_text

    with part_of(stream, message.size, number) as part:
        if part is None:
            raise NothingMatched(
                f"message {message.digest[:12]} has no part {number_text(number)}",
                hint=f"archiver show {message.digest[:12]} lists its parts",
            )
        entity = part.leaf.entity
        stem = f"{message.digest[:12]}-{number_text(number)}"
        destination.give(part.octets(), safe_name(entity.name, unnamed(stem, entity.type)))
