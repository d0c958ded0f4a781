"""``rebuild``: makes the ledger again from the manifests in a store, and the index from mail."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import complain, octets, print_json, say
from archiver.cli.progress import reporter
from archiver.cli.stopping import stopping
from archiver.cli.takes import takes
from archiver.config import AccountSettings, ServerUrl, Settings
from archiver.errors import IntegrityError, worst
from archiver.model import Reporter
from archiver.stopping import Stop

if TYPE_CHECKING:
    from archiver.reporting import Outcome
    from archiver.verbs.rebuild import AccountRebuilt, Aside, Rebuilt


@takes(options.STORE, options.PLACE)
def command(
    accounts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ACCOUNT]...", help="Accounts of the store; all if none."),
    ] = None,
    ledger_only: Annotated[
        bool, typer.Option("--ledger-only", help="Leave the index to the next run.")
    ] = False,
    replace_ledger: Annotated[
        bool, typer.Option("--replace", help="Move aside a ledger that is there.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Use what can be read of broken chains.")
    ] = False,
    workers: options.Workers = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Make ledger and index again from the store alone, for a state directory that was lost.

    The next run fetches nothing twice. Where a chain of manifests is broken the breaks are listed
    and nothing is changed, unless --partial is given: what the missing ones named is then fetched
    again, if the server still has it, and archived once more.
    """
    from archiver.clock import StoppableClock
    from archiver.state import StatePaths
    from archiver.verbs.rebuild import Wanted, rebuild

    found = options.with_limits(options.archive(given), None, workers)
    wanted = Wanted(tuple(accounts or ()), replace=replace_ledger, partial=partial)
    shown = reporter(quiet=as_json)
    outcome = None
    with stopping() as stop, shown.showing():
        rebuilt = rebuild(
            found.store,
            StatePaths(Path(found.state)),
            wanted,
            reporter=shown,
            clock=StoppableClock(stop),
            stop=stop,
        )
        if rebuilt.installed and not ledger_only:
            outcome = _index(found, rebuilt, shown, stop)
    for account in rebuilt.accounts:
        if as_json:
            print_json(_json(account, rebuilt, outcome))
        else:
            _show(account, outcome)
    if rebuilt.aside is not None:
        _show_aside(rebuilt.aside)
    raise typer.Exit(worst([_judged(rebuilt), _complained(outcome)]))


def _index(found: Settings, rebuilt: "Rebuilt", shown: Reporter, stop: Stop) -> "Outcome":
    from archiver.pipeline import Verb, run

    configured = {account.name: account for account in found.accounts}
    owners = tuple(
        configured.get(done.account) or AccountSettings(done.account, _server_of(done))
        for done in rebuilt.accounts
    )
    return run(replace(found, accounts=owners), Verb.INDEX, reporter=shown, stop=stop)


def _server_of(done: "AccountRebuilt") -> ServerUrl:
    """The server as far as the manifests name it; reading what is archived asks nothing of it."""
    return ServerUrl(host=done.host, port=0, user="", security="tls")


def _judged(rebuilt: "Rebuilt") -> int:
    """What is to be said of breaks, and the exit code that they mean."""
    if rebuilt.is_whole:
        return 0
    error = IntegrityError(
        "the manifests are broken, and the ledger that was made of them has holes",
        hint="what they named is fetched again where the server still has it",
    )
    if not rebuilt.installed:
        error = IntegrityError(
            "the manifests are broken: nothing was changed",
            hint="look for the missing ones in the bucket's versions or backups; --partial uses"
            " what there is",
        )
    complain(error)
    return error.exit_code


def _complained(outcome: "Outcome | None") -> int:
    """What went wrong with the index; that messages are held again is as it should be."""
    errors = () if outcome is None else outcome.errors
    for error in errors:
        complain(error)
    return worst([error.exit_code for error in errors])


def _json(done: "AccountRebuilt", rebuilt: "Rebuilt", outcome: "Outcome | None") -> dict[str, Any]:
    aside = rebuilt.aside
    return {
        "account": done.account,
        "installed": rebuilt.installed,
        "messages": done.messages,
        "manifests": done.manifests,
        "checkpoint": done.checkpoint,
        "snapshot": done.snapshot,
        "head": done.head,
        "breaks": [
            {"writer": each.writer, "sequence": each.sequence, "what": each.what}
            for each in done.breaks
        ],
        "dropped": done.dropped,
        "indexed": _indexed(done, outcome),
        "set_aside": None if aside is None else str(aside.path),
        "seconds": round(done.seconds, 3),
    }


def _indexed(done: "AccountRebuilt", outcome: "Outcome | None") -> int | None:
    """How many messages were read for the index, None where that was left for later."""
    from archiver.reporting import StageReport

    for report in () if outcome is None else outcome.reports:
        if isinstance(report, StageReport) and report.account == done.account:
            return report.messages
    return None


def _show(done: "AccountRebuilt", outcome: "Outcome | None") -> None:
    say(
        f"{done.account}: {done.messages:,} messages from {done.manifests:,} manifests"
        f"{_behind(done)} in {done.seconds:.1f} s"
    )
    if done.head:
        say(f"  head      {done.head}")
    if (indexed := _indexed(done, outcome)) is not None:
        say(f"  indexed   {indexed:,} messages")
    for each in done.breaks:
        say(f"  broken    {each.what}")
    if done.dropped:
        say(f"  dropped   {done.dropped:,} links to messages that no manifest names")


def _behind(done: "AccountRebuilt") -> str:
    if done.snapshot is not None:
        return f" behind a copy of the ledger of {done.snapshot}"
    return " behind a checkpoint" if done.checkpoint is not None else ""


def _show_aside(aside: "Aside") -> None:
    if aside.ledger:
        say(f"the ledger that was there is now in {aside.path}")
    if aside.segments:
        say(
            f"{aside.segments:,} segments of the spool ({octets(aside.octets)}), with messages that"
            f" were not archived yet, are now in {aside.path}/spool"
        )
        say("  the next run fetches again what the server still has; keep them until then")
