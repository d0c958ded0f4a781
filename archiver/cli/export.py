"""``export``: archived messages as files, for other programs and other places."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import octets, print_json, say
from archiver.cli.search import opened, parsed
from archiver.cli.shown import harmless
from archiver.cli.stopping import stopping
from archiver.cli.takes import takes
from archiver.cli.watching import watch
from archiver.errors import Interrupted, NothingMatched

if TYPE_CHECKING:
    from archiver.verbs.export import Exported, Format

_NAMED_AT_MOST = 20
_IN_PART = 3


@takes(options.STORE, options.PLACE)
def command(
    *,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUERY]...", help="What to export, as for search; all if nothing is given."
        ),
    ] = None,
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="DEST", help="A directory, or a file that ends in .mbox, .zip, .csv, ..."
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="eml (a tree), maildir, mbox, zip, or of the metadata csv, jsonl, parquet."
            " Default: by the ending of DEST, else eml.",
        ),
    ] = None,
    attachments: Annotated[
        bool, typer.Option("--attachments", help="Export attachments, decoded, instead.")
    ] = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Export messages, octet by octet and proven, as files, a Maildir, an mbox, a ZIP or a table.

    Run again it goes on where it ended. What cannot be exported is listed, and the exit code is 3.
    A query with a minus stands behind --.
    """
    from archiver.state import StatePaths
    from archiver.verbs.export import THREADS, export, format_of, open_target
    from archiver.verbs.stored import stored_messages

    chosen = format_of(destination, form, attachments=attachments)
    wanted, asked = parsed(query), " ".join(query or ())
    found = options.stored(given)
    began = time.monotonic()
    index = opened(Path(found.state), None)
    try:
        if not index.count(wanted):
            raise NothingMatched("nothing matches", hint="archiver search --explain shows why")
        paths = StatePaths(Path(found.state))
        with (
            stopping() as stop,
            stored_messages(found.store, paths, threads=THREADS) as stored,
            open_target(chosen, destination, asked) as target,
        ):
            watching = watch(stop, quiet=as_json)
            with watching.showing():
                try:
                    done = export(index, stored, wanted, target, watching)
                except Interrupted:
                    raise Interrupted(
                        "interrupted; what was exported is complete", hint="run it again to go on"
                    ) from None
            unindexed = stored.unindexed()
    finally:
        index.close()
    _report(done, chosen, destination, time.monotonic() - began, as_json=as_json)
    if unindexed:
        say(f"{unindexed:,} archived messages are not in the index yet: run archiver index, again")
    if done.failed or unindexed:
        raise typer.Exit(_IN_PART)


def _report(
    done: "Exported", form: "Format", destination: Path, seconds: float, *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "format": str(form),
                "destination": str(destination),
                "found": done.found,
                "exported": done.exported,
                "there": done.there,
                "failed": [{"digest": one.digest, "reason": one.reason} for one in done.failed],
                "bytes": done.octets,
                "seconds": round(seconds, 3),
            }
        )
        return
    read = f", {octets(done.octets)}" if done.octets else ""
    typer.echo(
        f"{done.exported:,} of {done.found:,} messages exported"
        f" to {harmless(str(destination))} as {form}{read}, in {seconds:.1f} s"
    )
    if done.there:
        nothing = " or have none" if form == "attachments" else ""
        typer.echo(f"{done.there:,} were there already{nothing}")
    for one in done.failed[:_NAMED_AT_MOST]:
        say(f"not exported: {one.digest}  {harmless(one.reason)}")
    if len(done.failed) > _NAMED_AT_MOST:
        say(f"and {len(done.failed) - _NAMED_AT_MOST:,} more; --json lists all")
