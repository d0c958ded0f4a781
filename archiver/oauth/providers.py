"""Providers: where an account's authorization server is, and what it wants to be asked.

Google and Microsoft are known by name; any other is what the settings say. Addresses are HTTPS, or
HTTP to this machine, since tokens travel over them (RFC 6749 section 10.9).
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from archiver.config import AccountSettings, OAuthSettings
from archiver.errors import UsageError

_MICROSOFT = "https://login.microsoftonline.com"
_TENANT = re.compile(r"[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Provider:
    """An authorization server.

    Attributes:
        client_id: what it calls us.
        token_url: gives and refreshes tokens.
        authorization_url: where a person signs in with a browser; None where that is not offered.
        device_url: begins the device flow (RFC 8628); None where that is not offered.
        scope: the rights to ask for, separated by spaces.
        loopback: this machine's name in the address that the browser is sent back to.
        extra: further parameters of the authorization address.
    """

    client_id: str
    token_url: str
    authorization_url: str | None
    device_url: str | None
    scope: str
    loopback: str = "127.0.0.1"
    extra: tuple[tuple[str, str], ...] = ()


def provider_of(account: AccountSettings) -> Provider:
    """The provider of an account's tokens.

    Raises:
        UsageError: the account has none, or its settings cannot be used.
    """
    settings = account.oauth
    if settings is None:
        raise UsageError(
            f"account {account.name} has no OAuth settings",
            hint=f"write a table [accounts.{account.name}.oauth] with provider and client_id",
        )
    provider = _KNOWN.get(settings.provider, _custom)(settings)
    for name in ("authorization_url", "token_url", "device_url"):
        url = getattr(provider, name)
        if url is not None and not _is_safe(url):
            raise UsageError(
                f"the {name} of account {account.name} is not an https:// address",
                hint="http:// is for this machine alone (127.0.0.1); user, password and #"
                " have no place in it",
            )
    return provider


def is_loopback(host: str) -> bool:
    """Whether this name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _google(settings: OAuthSettings) -> Provider:
    # No device_url: Google gives rights over mail to nobody who uses the device flow.
    return Provider(
        client_id=settings.client_id,
        token_url=settings.token_url or "https://oauth2.googleapis.com/token",
        authorization_url=settings.authorization_url
        or "https://accounts.google.com/o/oauth2/v2/auth",
        device_url=settings.device_url,
        scope=settings.scope or "https://mail.google.com/",
        # A refresh token is given only when asked for, and after the first time only with consent.
        extra=(("access_type", "offline"), ("prompt", "consent")),
    )


def _microsoft(settings: OAuthSettings) -> Provider:
    if not _TENANT.fullmatch(settings.tenant):
        raise UsageError(
            "the tenant is neither a name nor an id",
            hint='write "common", "organizations", "consumers", or the directory\'s id',
        )
    base = f"{_MICROSOFT}/{quote(settings.tenant)}/oauth2/v2.0"
    return Provider(
        client_id=settings.client_id,
        token_url=settings.token_url or f"{base}/token",
        authorization_url=settings.authorization_url or f"{base}/authorize",
        device_url=settings.device_url or f"{base}/devicecode",
        scope=settings.scope or "https://outlook.office.com/POP.AccessAsUser.All offline_access",
        # Its portal registers http://localhost, with any port, and 127.0.0.1 only by hand.
        loopback="localhost",
    )


def _custom(settings: OAuthSettings) -> Provider:
    if not settings.token_url or not settings.scope:
        raise UsageError(
            "a provider of your own needs token_url and scope",
            hint='or write provider = "google" or "microsoft"',
        )
    return Provider(
        client_id=settings.client_id,
        token_url=settings.token_url,
        authorization_url=settings.authorization_url,
        device_url=settings.device_url,
        scope=settings.scope,
    )


_KNOWN = {"google": _google, "microsoft": _microsoft}


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.fragment or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
