"""``release``: decides about messages that wait for a person."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from archiver.cli import options
from archiver.cli.output import print_json
from archiver.cli.shown import harmless
from archiver.cli.status import state_of
from archiver.cli.waits import called, show_beside
from archiver.errors import UsageError
from archiver.state import AccountLock, Spool, StatePaths

if TYPE_CHECKING:
    from archiver.cli.waits import Beside
    from archiver.ledger.versions import Version
    from archiver.verbs.release import Decision


def command(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    uidls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[UIDL]...",
            help="Messages, as status --problems names them; a digest names one without UIDL.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All messages of the account that are held or failed.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Only show what there is under each UIDL.")
    ] = False,
    give_up: Annotated[
        bool,
        typer.Option(
            "--give-up",
            help="Leave them on the server for good: not fetched, not deleted, and no failure.",
        ),
    ] = False,
    discard: Annotated[
        bool,
        typer.Option(
            "--discard",
            help="Remove their octets from the spool, to be fetched again unless given up.",
        ),
    ] = False,
    state: options.State = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Show messages that wait for a decision, and have the next run try them again."""
    from archiver.ledger import Ledger
    from archiver.verbs.headings import headings
    from archiver.verbs.release import (
        Decision,
        account_named,
        choose,
        decide,
        decided_json,
        stand_beside,
    )

    if bool(uidls) is everything:
        raise UsageError(
            "name UIDLs or --all, and not both", hint="archiver status --problems lists the UIDLs"
        )
    if everything and (give_up or discard):
        raise UsageError(
            "--give-up and --discard want the UIDLs by name",
            hint="archiver status --problems lists them; nothing was decided",
        )
    if show and (give_up or discard):
        raise UsageError("--show decides nothing", hint="leave it out, or the other options")
    decision = Decision.GIVE_UP if give_up else Decision.SHOW if show else Decision.TRY_AGAIN
    paths = StatePaths(state_of(state, config))
    if not paths.ledger.exists():
        raise UsageError(f"nothing was ever archived from {paths.root}")
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(paths.ledger))
        name = account_named(ledger, account)
        if not show:
            paths.create()
            stack.enter_context(AccountLock(paths.locks, name, "release"))
        look = stack.enter_context(headings(paths))
        chosen = choose(ledger, name, None if everything else uidls, decision, discard=discard)
        seen: list[Beside] = []
        for one in chosen:
            seen.append([(each, look.of(each)) for each in stand_beside(ledger, one)])
            if not as_json:
                show_beside(one, seen[-1])
        decide(ledger, Spool(paths.spool, 0), chosen, decision, discard=discard)
    for one, beside in zip(chosen, seen, strict=True):
        if as_json:
            print_json(decided_json(one, beside, decision, discard=discard))
        elif not show:
            typer.echo(f"{one.account}  {called(one)}  {_becomes(one, decision, discard=discard)}")
    if not chosen and not as_json:
        typer.echo(f"{account}: nothing failed or is held")


def _becomes(one: "Version", decision: "Decision", *, discard: bool) -> str:
    from archiver.verbs.release import Decision

    becomes = "is tried again"
    if decision is Decision.GIVE_UP:
        becomes = "is given up and stays on the server"
    if one.segment:
        here = "were removed from" if discard else "stay in"
        becomes += f", its octets {here} the spool"
    had = {"failed": "had failed", "held": "was held", "given_up": "was given up"}[one.problem]
    because = f": {harmless(one.reason)}" if one.reason else ""
    return f"{becomes}; it {had}{because}"
