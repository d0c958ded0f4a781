"""``pop``: POP3 by hand, at a prompt or command by command."""

import sys
from typing import Annotated, Any

import typer

from archiver.cli import options
from archiver.cli.takes import takes
from archiver.errors import UsageError


@takes(options.MAILBOX, options.PLACE)
def command(
    account: Annotated[
        str | None,
        typer.Argument(metavar="[ACCOUNT]", help="An account of archiver.toml."),
    ] = None,
    commands: Annotated[
        list[str] | None,
        typer.Option(
            "--exec", metavar="COMMAND", help="Give this command, and no prompt; may be repeated."
        ),
    ] = None,
    sure: Annotated[
        bool, typer.Option("--yes", help="Let --exec QUIT delete without asking.")
    ] = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Talk POP3 to a mailbox by hand: STAT, LIST, UIDL, TOP, RETR, DELE, RSET, CAPA, QUIT."""
    from archiver.cli.script import run_script
    from archiver.verbs.pop import Hand
    from archiver.verbs.pop_commands import parse_script

    script = parse_script(commands or ())
    if not script and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("there is no terminal to ask at", hint='archiver pop --exec "STAT"')
    found, state = options.one_account(account, given)
    if script:
        with Hand.open(found, state, None) as hand:
            run_script(hand, script, sure=sure, as_json=as_json)
        return
    from archiver.cli.prompt import prompt_for_commands

    prompt_for_commands(found, state)
