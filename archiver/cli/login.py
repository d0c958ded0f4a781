"""``login``: lets a person sign in to a provider that wants OAuth 2 in place of a password."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from archiver.cli import options
from archiver.cli.output import say


def command(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account of archiver.toml.")],
    device: Annotated[
        bool,
        typer.Option(
            "--device", help="Show a code to enter on another device; for machines without browser."
        ),
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove the account's tokens from this machine.")
    ] = False,
    config: options.Config = None,
    state: options.State = None,
) -> None:
    """Sign in with a browser, once, for an account with OAuth; runs refresh the token."""
    from archiver import oauth
    from archiver.clock import StoppableClock
    from archiver.secrets import SystemKeyring, from_source
    from archiver.stopping import Stop

    chosen, place = options.one_account(account, {"config": config, "state": state})
    if forget:
        there = oauth.forget(chosen, place, SystemKeyring())
        say(
            f"{chosen.name}: the token is removed here; the provider's page of your account"
            " takes the right itself back"
            if there
            else f"{chosen.name}: there is no token here"
        )
        return
    kept = oauth.login(
        chosen,
        place,
        device=True if device else None,
        show=say,
        open_browser=_browser(),
        secret=from_source,
        ring=SystemKeyring(),
        clock=StoppableClock(Stop()),
    )
    say(f"{chosen.name} is signed in; the token is kept in {kept}")


def _browser() -> Callable[[str], bool] | None:
    """Opens an address in a browser; None where there is none that has a window."""
    import webbrowser

    windows = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    try:
        return webbrowser.get().open if windows else None
    except webbrowser.Error:
        return None
