"""``restore``: puts archived messages into folders of an IMAP account."""

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import complain, octets, print_json, say
from archiver.cli.progress import reporter
from archiver.cli.search import QUERY, parsed
from archiver.cli.shown import harmless
from archiver.cli.stopping import stopping
from archiver.cli.takes import takes
from archiver.cli.target import TARGET, target_account, target_sessions
from archiver.config import parse_folder
from archiver.errors import ArchiverError, NothingMatched, UsageError, worst

if TYPE_CHECKING:
    from archiver.restored import Refused
    from archiver.verbs.restore import FolderPlan, Restoring

_SYSTEM_FLAGS = ("seen", "answered", "flagged", "draft")
_KEYWORD = re.compile(r"[A-Za-z0-9$_.-]+")
_SHOWN = 10


@takes(TARGET, options.STORE, options.PLACE)
def command(
    *,
    query: Annotated[list[str] | None, QUERY] = None,
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="Where to: imaps://user@host[:port]/Folder (TLS), imap:// (STARTTLS) or"
            " imap+plain:// (no TLS). {account}, {year} and {month} in the folder are filled in.",
        ),
    ],
    flags: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Flags of what is restored: seen,flagged or keywords; or none."
        ),
    ] = "seen",
    again: Annotated[
        bool,
        typer.Option("--again", help="Also what was restored before and is not there any more."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go where.")
    ] = False,
    oauth: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT", help="Sign in with the tokens of this account of archiver.toml."
        ),
    ] = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Put archived messages into folders of an IMAP account, with their dates, each once.

    Folders that are missing are made. Run again it goes on where it ended, and puts nothing twice,
    also after it was killed. Messages that the server refuses are listed, and the exit code is 3.
    A query with a minus stands behind --, so that no option that was mistyped is taken for one.
    """
    from archiver.state import StatePaths
    from archiver.verbs.restore import Pattern, Target, restoring

    place = parse_folder(url)
    wanted = parsed(query)
    # What is said of a mailbox is said of the one that mail goes to.
    found = options.stored({name: one for name, one in given.items() if name not in TARGET})
    state = Path(found.state)
    pattern, chosen = Pattern(place.folder), _flags(flags)
    account = target_account(place.server, oauth, given)
    shown = reporter(quiet=as_json)
    with stopping() as stop:
        name, session = target_sessions(account, state, stop)
        target = Target(name, pattern, session, chosen, again)
        with restoring(
            found.store, StatePaths(state), target, wanted, reporter=shown, stop=stop
        ) as restore:
            _warn(restore)
            if not restore.folders:
                raise NothingMatched("nothing in the archive matches")
            if dry_run:
                _plan(restore, as_json=as_json)
                return
            with shown.showing():
                ended = _ended(restore)
            for plan in restore.folders:
                _report(restore, plan, as_json=as_json)
            raise typer.Exit(_judged(restore, ended))


def _ended(restore: "Restoring") -> ArchiverError | None:
    """Runs it; what ended it early is told behind the report."""
    try:
        restore.run()
    except ArchiverError as error:
        return error
    return None


def _judged(restore: "Restoring", ended: ArchiverError | None) -> int:
    """The exit code."""
    if ended is not None:
        complain(ended)
        return ended.exit_code
    parted = restore.unindexed or any(restore.counts(plan).refused for plan in restore.folders)
    return worst([7 * restore.damaged, 3 * bool(parted)])


def _warn(restore: "Restoring") -> None:
    if restore.unindexed:
        say(
            f"{restore.unindexed:,} archived messages are not in the index yet, and are left out:"
            " run archiver index, then this again"
        )


def _plan(restore: "Restoring", *, as_json: bool) -> None:
    for before in restore.before():
        counts = before.counts
        if as_json:
            print_json(
                {
                    "folder": before.plan.name,
                    "exists": before.holds is not None,
                    "holds": before.holds or 0,
                    "known": counts.known,
                    "wanted": counts.wanted,
                    "octets": counts.octets,
                }
            )
            continue
        state = "is to be made" if before.holds is None else f"holds {before.holds:,} messages"
        known = f", {counts.known:,} were restored before" if counts.known else ""
        typer.echo(
            f"{harmless(before.plan.name)} ({state}): {counts.wanted:,} messages to restore,"
            f" {octets(counts.octets)}{known}"
        )


def _report(restore: "Restoring", plan: "FolderPlan", *, as_json: bool) -> None:
    counts = restore.counts(plan)
    if as_json:
        print_json(
            {
                "folder": plan.name,
                "known": counts.known,
                "wanted": counts.wanted,
                "appended": counts.appended,
                "found": counts.found,
                "refused": counts.refused,
                "left": counts.left,
                "octets": counts.sent,
                "refusals": [_refusal(one) for one in restore.refused(plan)],
            }
        )
        return
    told = [f"{counts.appended:,} restored ({octets(counts.sent)})"]
    for number, what in (
        (counts.known, "restored before"),
        (counts.found, "there already"),
        (counts.refused, "refused"),
        (counts.left, "left for the next run"),
    ):
        told += [f"{number:,} {what}"] * bool(number)
    typer.echo(f"{harmless(plan.name)}: {', '.join(told)}")
    for why, alike in groupby(restore.refused(plan), key=_why):
        _list(harmless(why), alike)


def _list(why: str, alike: "Iterable[Refused]") -> None:
    """What was refused for one reason: the first few, and how many more."""
    more = 0
    typer.echo(f"  refused: {why}")
    for count, one in enumerate(alike):
        if count < _SHOWN:
            typer.echo(f"    {one.digest[:12]}  {octets(one.size)}")
        else:
            more += 1
    if more:
        typer.echo(f"    and {more:,} more, which --json lists")


def _why(one: "Refused") -> str:
    return one.reason if not one.code or one.code in one.reason else f"[{one.code}] {one.reason}"


def _refusal(one: "Refused") -> dict[str, Any]:
    return {"digest": one.digest, "size": one.size, "code": one.code, "reason": one.reason}


def _flags(text: str) -> tuple[str, ...]:
    """Flags as the server wants them: ``seen`` becomes ``\\Seen``, anything else is a keyword."""
    if text.strip().lower() in ("", "none"):
        return ()
    found = []
    for name in re.split(r"[,\s]+", text.strip()):
        plain = name.removeprefix("\\")
        if plain.lower() in _SYSTEM_FLAGS:
            found.append("\\" + plain.capitalize())
        elif _KEYWORD.fullmatch(name):
            found.append(name)
        else:
            raise UsageError(
                f"--flags: {name!r} is no flag",
                hint="write seen, answered, flagged, draft, keywords such as $Forwarded, or none",
            )
    return tuple(dict.fromkeys(found))
