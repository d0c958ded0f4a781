"""``release``: has messages that are held tried again."""

from typing import Annotated

import typer

from archiver.cli import options
from archiver.cli.output import print_json, shell_word
from archiver.cli.status import state_of
from archiver.errors import UsageError
from archiver.ledger import Ledger
from archiver.state import StatePaths


def command(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    uidls: Annotated[
        list[str] | None,
        typer.Argument(metavar="[UIDL]...", help="Messages, as status --problems names them."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All messages of the account that are held or failed.")
    ] = False,
    state: options.State = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Have messages that are held tried again by the next run."""
    from archiver.verbs.release import release, released_json

    if bool(uidls) is everything:
        raise UsageError(
            "name UIDLs or --all, and not both", hint="archiver status --problems lists the UIDLs"
        )
    paths = StatePaths(state_of(state, config))
    if not paths.ledger.exists():
        raise UsageError(f"nothing was ever archived from {paths.root}")
    with Ledger.open(paths.ledger) as ledger:
        released = release(ledger, account, None if everything else uidls)
    for one in released:
        if as_json:
            print_json(released_json(one))
        else:
            uidl = "(no UIDL)" if one.uidl is None else shell_word(one.uidl)
            typer.echo(f"{one.account}  {uidl}  is tried again; it {_was(one.problem, one.reason)}")
    if not released and not as_json:
        typer.echo(f"{account}: nothing failed or is held")


def _was(problem: str, reason: str) -> str:
    how = "was held" if problem == "held" else "had failed"
    return f"{how}: {reason}" if reason else how
