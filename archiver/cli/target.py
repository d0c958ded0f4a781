"""An IMAP account that a URL names: the options about it, and sessions that are signed in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.cli import options
from archiver.cli.output import say
from archiver.cli.takes import Given, Group
from archiver.config import AccountSettings, ServerUrl, account_name, read_account
from archiver.errors import UsageError
from archiver.stopping import Stop

if TYPE_CHECKING:
    from archiver.imap import ImapSession

TARGET: Group = {
    name: kind for name, kind in options.MAILBOX.items() if name not in ("server", "login_delay")
}
"""How to get into an account whose server a URL names."""


def target_account(server: ServerUrl, oauth: str | None, given: Given) -> AccountSettings:
    """The account with what the options say of it.

    Args:
        server: where it is, and whose.
        oauth: the account of the settings whose tokens are to be used; None for a password.
        given: options of ``TARGET`` by name; None where not given.

    Raises:
        UsageError: options cannot be used, or no such account has tokens.
    """
    table = {name: given[name] for name in TARGET if given.get(name) is not None}
    table |= {name: str(one.expanduser()) for name, one in table.items() if isinstance(one, Path)}
    auth = table.pop("auth", "auto") if oauth is not None else table.get("auth", "auto")
    account = read_account(account_name(server), {**table, "server": server})
    if oauth is None:
        return account
    lender, _ = options.one_account(oauth, {"config": given.get("config")})
    if lender.oauth is None:
        raise UsageError(
            f"the account {lender.name} has no oauth section", hint="--oauth names one that has"
        )
    return replace(account, name=lender.name, oauth=lender.oauth, auth=auth)


def target_sessions(
    account: AccountSettings, state: Path, stop: Stop
) -> tuple[str, Callable[[], "ImapSession"]]:
    """What the account is called, ``user@host:port``, and what makes sessions that are signed in.

    Args:
        account: the account.
        state: the state directory, where tokens may lie.
        stop: breaks off what is under way.

    Raises:
        UsageError: a secret's source is missing, fails or gives nothing.
        LoginRefused: there is no secret and nobody to ask.
    """
    from archiver.imap import ImapSession
    from archiver.mailbox import limits, mailbox

    with stop.at_once():
        box = mailbox(account, state, stop)
    bounds = limits(account, stop=stop)
    said: set[str] = set()

    def session() -> ImapSession:
        made = ImapSession.connect(box.server, bounds)
        for warning in made.warnings:
            if warning not in said:
                say(f"{box.server.address}: {warning}")
                said.add(warning)
        made.sign_in(box.credentials, box.auth)
        return made

    return f"{box.credentials.user}@{box.server.address}", session
