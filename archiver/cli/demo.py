"""``demo``: the whole thing in one command, with nothing to configure."""

import os
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from archiver.cli.output import complain, say
from archiver.cli.progress import reporter
from archiver.cli.report import print_outcome
from archiver.cli.search import show
from archiver.config import AccountSettings, PasswordSource, ServerUrl, Settings, StoreSettings
from archiver.errors import ArchiverError

_PASSWORD_VARIABLE = "ARCHIVER_DEMO_PASSWORD"  # noqa: S105 - a name, not a secret
_WORDS = "contract"


def command(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Where archive and state are put; default: a new temporary directory."),
    ] = None,
) -> None:
    """Archive a made-up mailbox from a POP3 server on this machine into a directory."""
    from archiver.pipeline import Verb, run
    from archiver.verbs.demo import demo_server

    place = (directory or Path(tempfile.mkdtemp(prefix="archiver-demo-"))).absolute()
    with demo_server() as server:
        say(f"A POP3 server with {len(server.messages)} messages is at 127.0.0.1:{server.port}.")
        say(f"Archiving them into {place / 'archive'}:")
        say()
        os.environ[_PASSWORD_VARIABLE] = server.password
        account = AccountSettings(
            name="demo",
            server=ServerUrl("127.0.0.1", server.port, server.user, "plain"),
            password=PasswordSource(env=_PASSWORD_VARIABLE),
        )
        settings = Settings(
            accounts=(account,),
            store=StoreSettings(url=str(place / "archive")),
            state=str(place / "state"),
        )
        outcome = run(settings, Verb.RUN, reporter=reporter(quiet=True), stop=threading.Event())
    print_outcome(outcome.reports, settings.store.url)
    for error in outcome.errors:
        complain(error)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)
    _look_around(place)


def _look_around(place: Path) -> None:
    from archiver.index import Index
    from archiver.state import StatePaths
    from archiver.verbs.search import search

    state = place / "state"
    index = Index.open(StatePaths(state).index, read_only=True)
    try:
        hits = search(index, _WORDS, limit=5)
    finally:
        index.close()
    say()
    say(f"archiver search {_WORDS} --state {state}")
    for hit in hits:
        show(hit)
    if hits:
        stored = place / "archive" / hits[0].key
        say()
        say(f"The first of them, as its server sent it: {stored}")
        say()
        typer.echo(_beginning(stored))
    say()
    say("With a real account, into a directory or a bucket:")
    say("  archiver run --server pop3s://me@pop.example.com --store ./mail-archive")
    say("  archiver run --server pop3s://me@pop.example.com --store s3://bucket/prefix")


def _beginning(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise ArchiverError(f"{path} cannot be read: {error.strerror}") from None
    header, _, body = text.replace("\r\n", "\n").partition("\n\n")
    wanted = ("from:", "to:", "subject:", "date:", "content-type:")
    shown = [line for line in header.split("\n") if line.lower().startswith(wanted)]
    return "\n".join([*shown, "", *body.split("\n")[:12]])
