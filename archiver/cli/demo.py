"""``demo``: the whole thing in one command, with nothing to configure."""

import sys
import tempfile
import time
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archiver.cli.found import show_hit
from archiver.cli.output import complain, say
from archiver.cli.progress import reporter
from archiver.cli.report import print_outcome
from archiver.config import AccountSettings, PasswordSource, ServerUrl, Settings, StoreSettings

if TYPE_CHECKING:
    from archiver.model import Mail

_WORDS = "signed contract"
_TEXT_LINES = 12


def command(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Where archive and state are put; default: a new temporary directory."),
    ] = None,
) -> None:
    """Archive a made-up mailbox from a POP3 server on this machine into a directory."""
    place = (directory or Path(tempfile.mkdtemp(prefix="archiver-demo-"))).absolute()
    # A demonstration is one story for a person, so all of it goes to one stream.
    with redirect_stderr(sys.stdout):
        code = _archive(place)
        if code == 0:
            _look_around(place)
    raise typer.Exit(code)


def _archive(place: Path) -> int:
    from archiver.pipeline import Verb, run
    from archiver.stopping import Stop
    from archiver.verbs.demo import demo_server

    place.mkdir(parents=True, exist_ok=True)
    password = place / "password"
    with demo_server() as server:
        say(
            f"A POP3 server with {len(server.messages)} messages listens on 127.0.0.1, port"
            f" {server.port}."
        )
        say(f"Archiving them into {place / 'archive'}, with the state in {place / 'state'}.")
        say()
        password.write_text(server.password)
        account = AccountSettings(
            name="demo",
            server=ServerUrl("127.0.0.1", server.port, server.user, "plain"),
            password=PasswordSource(file=str(password)),
        )
        settings = Settings(
            accounts=(account,),
            store=StoreSettings(url=str(place / "archive")),
            state=str(place / "state"),
        )
        outcome = run(settings, Verb.RUN, reporter=reporter(quiet=True), stop=Stop())
    print_outcome(outcome.reports, settings.store.url)
    for error in outcome.errors:
        complain(error)
    return outcome.exit_code


def _look_around(place: Path) -> None:
    from archiver.index import Index
    from archiver.query import parse
    from archiver.state import StatePaths

    state = place / "state"
    index = Index.open(StatePaths(state).index, read_only=True)
    try:
        hits = index.search(parse(_WORDS, now=time.time()), limit=5)
    finally:
        index.close()
    say()
    say(f"$ archiver search {_WORDS} --state {state}")
    for hit in hits:
        show_hit(hit)
    if hits:
        stored = place / "archive" / hits[-1].places[0].key
        say()
        say(f"The last of them, which is an object of its own in the archive: {stored}")
        _show_message(_read(stored))
    say()
    say("Every octet is there as the server sent it; run it again and nothing is fetched twice.")
    say("With a real account, into a directory or a bucket:")
    say()
    say("  archiver run --server pop3s://me@pop.example.com --store ./mail-archive")
    say("  archiver run --server pop3s://me@pop.example.com --store s3://bucket/prefix")


def _read(stored: Path) -> "Mail":
    from archiver.cli.parse import read_file

    return read_file(stored)


def _show_message(mail: "Mail") -> None:
    """The fields that matter, the beginning of the text, and the parts."""
    people = ", ".join(f"{author.name} <{author.address}>" for author in mail.authors)
    say()
    say(f"From:     {people}")
    say(f"To:       {', '.join(address.address for address in mail.to)}")
    say(f"Date:     {mail.date_header}")
    say(f"Subject:  {mail.subject}")
    for part in mail.parts:
        say(f"Part:     {part.name or '(no name)'}, {part.type}, {part.size:,} octets")
    say()
    for line in mail.text.splitlines()[:_TEXT_LINES]:
        say(f"  {line}")
