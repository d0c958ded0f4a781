"""An account's mailbox as the POP3 engine wants it: server, credentials and limits.

Settings say what a person wrote; here passwords are found (which may ask that person) and tokens
arranged for, once a run and before anything else happens.
"""

from dataclasses import dataclass
from pathlib import Path

from archiver import secrets
from archiver.config import AccountSettings, PasswordSource
from archiver.pop3 import AccessToken, Credentials, Limits, Pipelining, Proxy, Security, Server
from archiver.stopping import Stop

_WITHOUT_PASSWORD = frozenset({"external", "xoauth2", "oauthbearer"})


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a mailbox is, and how to get in; ``auth`` is a name of ``config.AUTH``."""

    server: Server
    credentials: Credentials
    auth: str = "auto"


def mailbox(account: AccountSettings, state: Path, stop: Stop | None = None) -> Mailbox:
    """Everything needed to sign in.

    Args:
        account: the settings.
        state: the state directory, where tokens may lie.
        stop: breaks off asking a provider for a token.

    Raises:
        UsageError: a secret's source is missing, fails or gives nothing.
        LoginRefused: there is no secret and nobody to ask.
    """
    return Mailbox(server(account), _credentials(account, state, stop or Stop()), account.auth)


def limits(account: AccountSettings, *, narrow: bool = False, stop: Stop | None = None) -> Limits:
    """The bounds of a session; ``narrow`` sends one command at a time, ``stop`` breaks it off."""
    return Limits(
        connect_timeout=account.timeout,
        read_timeout=account.timeout,
        pipelining=Pipelining.NEVER if narrow else Pipelining(account.pipelining),
        stop=stop or Stop(),
    )


def server(account: AccountSettings) -> Server:
    """Where the mailbox is served, without what it takes to get in.

    Raises:
        UsageError: the source of the proxy's password is missing, fails or gives nothing.
    """
    url = account.server
    return Server(
        host=url.host,
        port=url.port,
        security=Security(url.security),
        ca_file=account.ca_file,
        tls_min=account.tls_min,
        fingerprint=account.tls_fingerprint,
        client_cert=account.client_cert,
        client_key=account.client_key,
        proxy=_proxy(account),
    )


def _proxy(account: AccountSettings) -> Proxy | None:
    url = account.proxy
    if url is None:
        return None
    password = ""
    if account.proxy_password != PasswordSource():
        password = secrets.from_source(account.proxy_password) or ""
    return Proxy(url.kind, url.host, url.port, url.user, password)


def _credentials(account: AccountSettings, state: Path, stop: Stop) -> Credentials:
    return Credentials(
        user=account.server.user,
        password=secrets.password(account) if _needs_password(account) else None,
        authzid=account.authzid,
        token=_token(account, state, stop),
        certificate=account.client_cert is not None,
        cleartext=account.cleartext_password,
    )


def _token(account: AccountSettings, state: Path, stop: Stop) -> AccessToken | None:
    if account.oauth is None:
        return None
    # Only accounts with OAuth pay for its libraries.
    from archiver.oauth import TokenSource

    ring = secrets.SystemKeyring()
    source = TokenSource(account, state, secret=secrets.from_source, ring=ring)

    def token(*, refused: bool = False) -> str:
        return stop.abandonable(lambda: source.access_token(refused=refused))

    return token


def _needs_password(account: AccountSettings) -> bool:
    if account.auth in _WITHOUT_PASSWORD:
        return False
    named = account.password != PasswordSource()
    proven_otherwise = account.oauth is not None or account.client_cert is not None
    return named or account.auth != "auto" or not proven_otherwise
