"""``run`` and the stages alone: ``fetch``, ``upload``, ``verify`` and ``index``.

They are one command in five lengths, with the same options, so they are written once.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archiver.cli import deletion, options
from archiver.cli.output import complain, print_json
from archiver.cli.progress import reporter
from archiver.cli.report import print_outcome
from archiver.cli.stopping import stopping
from archiver.cli.takes import takes
from archiver.config import Settings

if TYPE_CHECKING:
    from archiver.deleting import Order
    from archiver.sources import Source

_HELP = {
    "run": "Archive mailboxes: fetch what is new, upload, verify, index, account for all.",
    "fetch": "Fetch what is new into the spool, and no further.",
    "upload": "Upload what is in the spool, without verifying it.",
    "verify": "Verify what was uploaded and write the manifests that make it ARCHIVED.",
    "index": "Read what is archived and not yet indexed, so that search finds it.",
}


def register(app: typer.Typer) -> None:
    """Adds the five verbs."""
    for verb, text in _HELP.items():
        app.command(verb, help=text)(_run if verb == "run" else _command(verb))


_GROUPS = (options.MAILBOX, options.STORE, options.SIGNING, options.PLACE)


def _command(verb: str) -> Callable[..., None]:
    @takes(*_GROUPS)
    def command(
        accounts: options.Accounts = None,
        spool_limit: options.SpoolLimit = None,
        workers: options.Workers = None,
        limit: options.Limit = None,
        as_json: options.Json = False,
        **given: Any,
    ) -> None:
        found = options.with_limits(options.settings(accounts or (), given), spool_limit, workers)
        run_verb(verb, found, limit=limit, as_json=as_json)

    return command


@takes(deletion.DELETION, *_GROUPS)
def _run(
    accounts: options.Accounts = None,
    spool_limit: options.SpoolLimit = None,
    workers: options.Workers = None,
    limit: options.Limit = None,
    yes_delete_all: deletion.YesDeleteAll = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    from archiver.deleting import Order

    found = options.with_limits(options.settings(accounts or (), given), spool_limit, workers)
    found = deletion.with_deletion(found, given)
    run_verb("run", found, limit=limit, order=Order(empty=yes_delete_all), as_json=as_json)


def run_index(state: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Indexes what is archived, for every account of the file of settings."""
    found = options.settings((), {"state": state, "config": config})
    run_verb("index", found, as_json=as_json)


def run_verb(
    verb: str,
    found: Settings,
    *,
    limit: int | None = None,
    order: "Order | None" = None,
    sources: "Sequence[Source]" = (),
    as_json: bool,
) -> None:
    """Runs a verb of the pipeline, prints what came of it and ends with its exit code.

    Args:
        verb: which.
        found: the settings.
        limit: the most messages to fetch for each account, None for all.
        order: what a person asked of deletion beyond the settings.
        sources: what is imported.
        as_json: print for machines.

    Raises:
        typer.Exit: always.
    """
    from archiver.deleting import NO_ORDER
    from archiver.pipeline import Verb, run

    shown = reporter(quiet=as_json)
    with stopping() as stop, shown.showing():
        outcome = run(
            found,
            Verb(verb),
            reporter=shown,
            stop=stop,
            limit=limit,
            order=order or NO_ORDER,
            sources=sources,
        )
    if as_json:
        for report in outcome.reports:
            print_json(asdict(report))
    else:
        print_outcome(outcome.reports, found.store.url)
    for error in outcome.errors:
        complain(error)
    raise typer.Exit(outcome.exit_code)
