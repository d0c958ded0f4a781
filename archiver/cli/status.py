"""``status``: where the messages of each account stand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.output import octets, print_json, say, shell_word
from archiver.ledger import Ledger
from archiver.ledger.status import AccountStatus, LastRun, ProblemRow, problems, status
from archiver.model import Stage
from archiver.state import StatePaths


def command(
    state: options.State = None,
    config: options.Config = None,
    show_problems: Annotated[
        bool, typer.Option("--problems", help="List the messages that failed or are held, and why.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show how many messages of each account stand at each stage."""
    paths = StatePaths(state_of(state, config))
    if not paths.ledger.exists():
        typer.echo(f"nothing was ever archived from {paths.root}: archiver run begins")
        return
    with Ledger.open(paths.ledger) as ledger:
        if show_problems:
            found = problems(ledger)
            for problem in found:
                _show_problem(problem, as_json=as_json)
            if any(problem.problem == "held" for problem in found) and not as_json:
                say("held messages wait: archiver release ACCOUNT UIDL has one tried again")
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


def _show(account: AccountStatus) -> None:
    typer.echo(f"{account.account} -> {account.store}")
    for stage in Stage:
        if count := account.stages.get(stage, 0):
            typer.echo(f"  {stage:<12}{count:>12,}")
    for name, count in (("failed", account.failed), ("held", account.held)):
        if count:
            typer.echo(f"  {name:<12}{count:>12,}  (archiver status --problems)")
    archived, spooled = octets(account.octets_archived), octets(account.octets_spooled)
    typer.echo(f"  {archived} archived, {spooled} in the spool")
    if account.oldest_unverified is not None:
        typer.echo(f"  oldest unverified: fetched {_time(account.oldest_unverified)}")
    if account.distrusted is not None:
        typer.echo(f"  UIDLs are not trusted: {account.distrusted}")
    if account.last_run is not None:
        typer.echo(f"  last run: {_run(account.last_run)}")


def _run(run: LastRun) -> str:
    if run.ended_at is None:
        return f"{run.verb} since {_time(run.started_at)}, not ended"
    return f"{run.verb} at {_time(run.started_at)}, exit code {run.exit_code}"


def _json(account: AccountStatus) -> dict[str, Any]:
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
    }


def _show_problem(problem: ProblemRow, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "account": problem.account,
                "uidl": problem.uidl,
                "problem": problem.problem,
                "reason": problem.reason,
                "tries": problem.tries,
                "digest": problem.digest,
            }
        )
    else:
        uidl = "(no UIDL)" if problem.uidl is None else shell_word(problem.uidl)
        typer.echo(
            f"{problem.account}  {uidl}  {problem.problem} after {problem.tries} tries:"
            f" {problem.reason}"
        )


def _time(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
