"""``status``: where the messages of each account stand, and what waits."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import octets, print_json, say
from archiver.cli.shown import harmless
from archiver.cli.waits import called, troubles
from archiver.format import time_text
from archiver.model import Stage
from archiver.state import StatePaths

if TYPE_CHECKING:
    from archiver.ledger import Ledger
    from archiver.ledger.status import AccountStatus, LastRun
    from archiver.verbs.problems import Problem

_WORDS = {
    Stage.SPOOLED: "in the spool, not yet archived",
    Stage.VANISHED: "left the server, not by us",
    Stage.DELETE_SENT: "deleted; the next listing is to confirm it",
    Stage.GONE: "deleted, and confirmed",
}


def command(
    state: options.State = None,
    config: options.Config = None,
    show_problems: Annotated[
        bool, typer.Option("--problems", help="List what waits, why, and what to do about it.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show how many messages of each account stand at each stage."""
    # What other verbs take from here needs no ledger, which is slow to import.
    from archiver.ledger import Ledger
    from archiver.ledger.status import status

    paths = StatePaths(state_of(state, config))
    if not paths.ledger.exists():
        typer.echo(f"nothing was ever archived from {paths.root}: archiver run begins")
        return
    with Ledger.open(paths.ledger) as ledger:
        if show_problems:
            _list_problems(ledger, paths, as_json=as_json)
            return
        for account in status(ledger):
            if as_json:
                print_json(_json(account))
            else:
                _show(account)


def state_of(state: Path | None, config: Path | None) -> Path:
    """The state directory that these options, or the file of settings, name."""
    file = None if state is not None else options.find_config(config)
    configured = "" if file is None else options.read_config(file).state
    return options.state_directory(state, configured)


def _show(account: "AccountStatus") -> None:
    typer.echo(f"{account.account} -> {account.store}")
    for name, count, words in _counts(account):
        typer.echo(f"  {name:<12}{count:>12,}{f'  ({words})' if words else ''}")
    archived, spooled = octets(account.octets_archived), octets(account.octets_spooled)
    aside = account.octets_set_aside
    apart = f", of which {octets(aside)} are set aside" if aside else ""
    typer.echo(f"  {archived} archived, {spooled} in the spool{apart}")
    if account.oldest_unverified is not None:
        typer.echo(f"  oldest unverified: fetched {_time(account.oldest_unverified)}")
    if account.distrusted is not None:
        typer.echo(f"  UIDLs are not trusted: {account.distrusted}")
    if account.last_run is not None:
        typer.echo(f"  last run: {_run(account.last_run)}")


def _counts(account: "AccountStatus") -> Iterator[tuple[str, int, str]]:
    """What there is of the account, by stage and by problem, with words for a person."""
    problems = {"failed": account.failed, "held": account.held, "given up": account.given_up}
    for stage in Stage:
        if count := account.stages.get(stage, 0):
            yield stage, count, _WORDS.get(stage, "")
    for name, count in problems.items():
        if count:
            yield name, count, "archiver status --problems"


def _run(run: "LastRun") -> str:
    if run.ended_at is None:
        return f"{run.verb} since {_time(run.started_at)}, not ended"
    return f"{run.verb} at {_time(run.started_at)}, exit code {run.exit_code}"


def _json(account: "AccountStatus") -> dict[str, Any]:
    run = account.last_run
    return {
        "account": account.account,
        "store": account.store,
        "stages": {str(stage): account.stages.get(stage, 0) for stage in Stage},
        "failed": account.failed,
        "held": account.held,
        "bytes_archived": account.octets_archived,
        "bytes_spooled": account.octets_spooled,
        "oldest_unverified": _time(account.oldest_unverified),
        "distrusted": account.distrusted,
        "last_run": None
        if run is None
        else {
            "verb": run.verb,
            "started": _time(run.started_at),
            "ended": _time(run.ended_at),
            "exit_code": run.exit_code,
            "report": run.report,
        },
        "given_up": account.given_up,
        "bytes_set_aside": account.octets_set_aside,
    }


def _list_problems(ledger: "Ledger", paths: StatePaths, *, as_json: bool) -> None:
    from archiver.verbs.problems import ADVICE, problem_json, waiting

    kinds: dict[str, None] = {}
    for problem in waiting(ledger, paths):
        kinds[problem.kind] = None
        if as_json:
            print_json(problem_json(problem))
        else:
            typer.echo(_line(problem))
    for kind in kinds if not as_json else ():
        say(ADVICE[kind])


def _line(problem: "Problem") -> str:
    message = problem.message
    if message is not None:
        here = f"; {octets(message.size or 0)} in {message.segment}" if message.segment else ""
        return f"{message.account}  {called(message)}  {troubles(message)}{harmless(here)}"
    size = "" if problem.octets is None else f", {octets(problem.octets)}"
    since = "" if problem.since is None else f", since {_time(problem.since)}"
    return f"{problem.account or '(all)'}  {harmless(problem.text)}{size}{since}"


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else time_text(seconds)
