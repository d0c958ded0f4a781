"""``run`` and the stages alone: ``fetch``, ``upload``, ``verify`` and ``index``.

They are one command in five lengths, with the same options, so they are written once.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import complain, print_json
from archiver.cli.progress import reporter
from archiver.cli.report import print_outcome
from archiver.cli.takes import takes
from archiver.config import Settings

_HELP = {
    "run": "Archive mailboxes: fetch what is new, upload, verify, index, account for all.",
    "fetch": "Fetch what is new into the spool, and no further.",
    "upload": "Upload what is in the spool, without verifying it.",
    "verify": "Verify what was uploaded and write the manifests that make it ARCHIVED.",
    "index": "Read what is archived and not yet indexed, so that search finds it.",
}


class Deletion(StrEnum):
    """What becomes of a message on the server once it is archived."""

    NEVER = "never"


def register(app: typer.Typer) -> None:
    """Adds the five verbs."""
    for verb, text in _HELP.items():
        app.command(verb, help=text)(_command(verb))


def _command(verb: str) -> Callable[..., None]:
    @takes(options.MAILBOX, options.STORE, options.PLACE)
    def command(
        accounts: options.Accounts = None,
        spool_limit: options.SpoolLimit = None,
        workers: options.Workers = None,
        limit: Annotated[
            int | None,
            typer.Option(min=1, metavar="N", help="Fetch at most N messages of each account."),
        ] = None,
        delete: Annotated[
            Deletion, typer.Option(help="What to delete on the server; only never, so far.")
        ] = Deletion.NEVER,
        as_json: options.Json = False,
        **given: Any,
    ) -> None:
        found = options.with_limits(options.settings(accounts or (), given), spool_limit, workers)
        _run(verb, found, limit, as_json=as_json)

    return command


def run_index(state: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Indexes what is archived, for every account of the file of settings."""
    found = options.settings((), {"state": state, "config": config})
    _run("index", found, None, as_json=as_json)


def _run(verb: str, found: Settings, limit: int | None, *, as_json: bool) -> None:
    from archiver.pipeline import Verb, run

    shown = reporter(quiet=as_json)
    with _stopping() as stop, shown.showing():
        outcome = run(found, Verb(verb), reporter=shown, stop=stop, limit=limit)
    if as_json:
        for report in outcome.reports:
            print_json(asdict(report))
    else:
        print_outcome(outcome.reports, found.store.url)
    for error in outcome.errors:
        complain(error)
    raise typer.Exit(outcome.exit_code)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second ends the process at once."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
