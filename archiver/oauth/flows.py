"""Signing in: once, with a person, in a browser here or on any other device.

Where there is a browser the code comes back over loopback (RFC 8252); elsewhere the device flow
(RFC 8628) shows a short code to be entered anywhere. Both end with tokens that are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from archiver.config import AccountSettings, PasswordSource
from archiver.errors import LoginRefused, ServerUnavailable, UsageError
from archiver.model import Clock
from archiver.oauth.endpoint import Answer, post
from archiver.oauth.grants import Grants, Refusal, refuse
from archiver.oauth.keeping import Keeper, Ring, Token
from archiver.oauth.providers import Provider, provider_of

Say = Callable[[str], None]
Browser = Callable[[str], bool]

_BROWSER_SECONDS = 300.0
_SLOWER_SECONDS = 5.0
_SHORTEST_INTERVAL = 1.0
_DEVICE_SECONDS = 1800.0
_LONGEST_SECONDS = 86_400


def login(
    account: AccountSettings,
    state: Path,
    *,
    device: bool | None,
    show: Say,
    open_browser: Browser | None,
    secret: Callable[[PasswordSource], str | None],
    ring: Ring,
    clock: Clock,
) -> str:
    """Lets a person sign in, keeps the tokens, and says where they are kept.

    Args:
        account: its settings, with ``oauth``.
        state: the state directory.
        device: whether to use the device flow; None to choose: where there is no browser.
        show: says a line to the person.
        open_browser: opens an address and says whether it did; None where there is no browser.
        secret: reads a secret from where the settings say; None where they say nothing.
        ring: the system's keyring.
        clock: the time, and a way to wait.

    Raises:
        UsageError: the settings cannot be used.
        LoginRefused: the person or the provider refused, or nobody came.
        ServerUnavailable: the provider cannot be reached.
        LocalDiskError: the tokens could not be kept.
    """
    provider = provider_of(account)
    assert account.oauth is not None
    keeper = Keeper(account.name, provider, state, ring)
    grants = Grants(provider, secret(account.oauth.client_secret))
    if device is None:
        device = open_browser is None and provider.device_url is not None
        if device:
            show("There is no browser here: any other device will do.")
    try:
        if device or provider.authorization_url is None:
            token = _by_device(provider, grants, show, clock)
        else:
            token = _by_browser(account, provider, grants, show, open_browser, clock)
    except Refusal as refusal:
        raise LoginRefused(
            f"{account.name} is not signed in: {refusal}", hint=_HINTS.get(refusal.error, _SETTINGS)
        ) from None
    if token.refresh_token is None:
        show("The provider gives no refresh token: sign in again when this one has ended.")
    with keeper.locked():
        return keeper.keep(token)


def forget(account: AccountSettings, state: Path, ring: Ring) -> bool:
    """Removes an account's tokens from here and says whether there were any.

    Raises:
        UsageError: the settings cannot be used.
        LocalDiskError: they cannot be removed.
    """
    keeper = Keeper(account.name, provider_of(account), state, ring)
    with keeper.locked():
        return keeper.remove()


def _by_browser(
    account: AccountSettings,
    provider: Provider,
    grants: Grants,
    show: Say,
    open_browser: Browser | None,
    clock: Clock,
) -> Token:
    from archiver.oauth.listener import listening

    with listening() as listener:
        redirect_uri = f"http://{provider.loopback}:{listener.port}"
        question = grants.question(redirect_uri, account.server.user)
        listener.expect(question.state)
        show(f"Open this address and sign in as {account.server.user}:")
        show(question.url)
        _open(open_browser, question.url, listener.port, show)
        show(f"Waiting for {_BROWSER_SECONDS / 60:.0f} minutes; Ctrl-C ends it.")
        target = listener.wait(_BROWSER_SECONDS)
    if target is None:
        raise LoginRefused(
            f"nobody signed in to {account.name} in time",
            hint="run it again; --device where the browser is on another machine",
        )
    form = grants.code_form(question, grants.code(question, target))
    asked_at = clock.now()
    return grants.token(post(provider.token_url, form), asked_at)


def _open(open_browser: Browser | None, url: str, port: int, show: Say) -> None:
    """Opens the address, or says how it can be opened elsewhere."""

    def attempt() -> None:
        if open_browser is None or not open_browser(url):
            show(
                "No browser could be started here. From a machine with one, first forward its port:"
                f" ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"
            )

    if open_browser is None:
        attempt()
    else:
        # A thread: some browsers come back only when they are closed.
        Thread(target=attempt, name="browser", daemon=True).start()


@dataclass(frozen=True, slots=True)
class _Device:
    """An answer to the first request of the device flow (RFC 8628 section 3.2); seconds."""

    device_code: str = field(repr=False)
    user_code: str
    address: str
    complete: str
    interval: float
    lifetime: float


def _by_device(provider: Provider, grants: Grants, show: Say, clock: Clock) -> Token:
    if provider.device_url is None:
        raise UsageError(
            "this provider has no device flow for mail",
            hint="run it without --device; the browser may be on another machine, with ssh -L",
        )
    answer = post(provider.device_url, grants.device_form())
    refuse(answer)
    device = _device(answer)
    show(f"Open {device.address} on any device and enter the code {device.user_code}")
    if device.complete:
        show(f"or open {device.complete}")
    show(f"Waiting for {device.lifetime / 60:.0f} minutes; Ctrl-C ends it.")
    deadline = clock.monotonic() + device.lifetime
    interval = device.interval
    while clock.monotonic() < deadline:
        clock.sleep(interval)
        asked_at = clock.now()
        try:
            return grants.token(
                post(provider.token_url, grants.poll_form(device.device_code)), asked_at
            )
        except Refusal as refusal:
            if refusal.error == "slow_down":
                interval += _SLOWER_SECONDS
            elif refusal.error != "authorization_pending":
                raise
        except ServerUnavailable:
            # RFC 8628 section 3.5: a server that does not answer is asked less often.
            interval *= 2
    raise Refusal("expired_token", "nobody signed in in time")


def _device(answer: Answer) -> _Device:
    fields = answer.fields
    # Google's own word is older than the RFC's.
    address = _plain(fields.get("verification_uri") or fields.get("verification_url"))
    device_code, user_code = _plain(fields.get("device_code")), _plain(fields.get("user_code"))
    if not (address and device_code and user_code):
        raise ServerUnavailable(
            f"{answer.host} gave no code for a device", hint="check the device_url"
        )
    return _Device(
        device_code=device_code,
        user_code=user_code,
        address=address,
        complete=_plain(fields.get("verification_uri_complete")),
        interval=max(_seconds(fields.get("interval"), _SLOWER_SECONDS), _SHORTEST_INTERVAL),
        lifetime=_seconds(fields.get("expires_in"), _DEVICE_SECONDS),
    )


def _plain(value: object) -> str:
    """A text that may be shown on a terminal, or nothing."""
    return value if isinstance(value, str) and value.isprintable() else ""


def _seconds(value: object, otherwise: float) -> float:
    if isinstance(value, int | float) and value >= 0:
        return float(min(value, _LONGEST_SECONDS))
    return otherwise


_SETTINGS = "check the account's OAuth settings"
_AGAIN = "run it again"
_HINTS = {
    "access_denied": "run it again, and allow what is asked for",
    "expired_token": _AGAIN,
    "invalid_grant": _AGAIN,
    "mismatching_state": _AGAIN,
    "server_error": _AGAIN,
    "temporarily_unavailable": _AGAIN,
}
