from typing import Any

import pytest

from archiver.config import AccountSettings, OAuthSettings, ServerUrl
from archiver.errors import UsageError
from archiver.oauth.providers import provider_of

SERVER = ServerUrl("pop.example.com", 995, "me", "tls")
SAFE = "https://id.example.com/token"


def account(**values: Any) -> AccountSettings:
    """An account with these OAuth settings."""
    return AccountSettings("work", SERVER, oauth=OAuthSettings("id", **values))


def test_google() -> None:
    """Google is known by name: mail for good, no device flow, a refresh token every time."""
    provider = provider_of(account(provider="google"))
    assert provider.scope == "https://mail.google.com/"
    assert provider.device_url is None
    assert dict(provider.extra) == {"access_type": "offline", "prompt": "consent"}


def test_microsoft() -> None:
    """Microsoft is known by name: its tenant is in every address, and it knows localhost only."""
    provider = provider_of(account(provider="microsoft", tenant="example.onmicrosoft.com"))
    base = "https://login.microsoftonline.com/example.onmicrosoft.com/oauth2/v2.0"
    assert provider.token_url == f"{base}/token"
    assert provider.authorization_url == f"{base}/authorize"
    assert provider.device_url == f"{base}/devicecode"
    assert provider.scope == "https://outlook.office.com/POP.AccessAsUser.All offline_access"
    assert provider.loopback == "localhost"


@pytest.mark.parametrize("name", ["google", "microsoft"])
def test_own_addresses_win(name: str) -> None:
    """What the settings say wins over what is known of the provider."""
    provider = provider_of(
        account(
            provider=name, token_url=SAFE, authorization_url=SAFE, device_url=SAFE, scope="mine"
        )
    )
    assert {provider.token_url, provider.authorization_url, provider.device_url} == {SAFE}
    assert provider.scope == "mine"


@pytest.mark.parametrize("tenant", ["", "a/b", "a?b", "a b"])
def test_tenant(tenant: str) -> None:
    """A tenant that would make another address is refused."""
    with pytest.raises(UsageError, match="tenant"):
        provider_of(account(provider="microsoft", tenant=tenant))


@pytest.mark.parametrize("missing", ["token_url", "scope"])
def test_custom_needs_its_addresses(missing: str) -> None:
    """A provider that we do not know needs to be described."""
    values = {"token_url": SAFE, "scope": "mail", missing: None}
    with pytest.raises(UsageError, match="needs token_url and scope"):
        provider_of(account(**values))


def test_no_settings() -> None:
    """An account without OAuth is told what to write."""
    with pytest.raises(UsageError, match="no OAuth settings") as caught:
        provider_of(AccountSettings("work", SERVER))
    assert "[accounts.work.oauth]" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        SAFE,
        "https://id.example.com:8443/token?p=sign-in",
        "http://127.0.0.1:8080/token",
        "http://localhost/token",
        "http://[::1]:8080/token",
    ],
)
def test_safe_addresses(url: str) -> None:
    """Tokens travel over HTTPS, or on this machine."""
    assert provider_of(account(token_url=url, scope="mail")).token_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/token",
        "http://127.0.0.1.example.com/token",
        "http://localhost.example.com/token",
        "ftp://id.example.com/token",
        "file:///etc/passwd",
        "id.example.com/token",
        "https://",
        "https://id.example.com:port/token",
        "https://me:secret@id.example.com/token",
        "https://id.example.com/token#part",
        "https://[::1/token",
    ],
)
@pytest.mark.parametrize("name", ["token_url", "authorization_url", "device_url"])
def test_unsafe_addresses(name: str, url: str) -> None:
    """An address where others could listen is refused, and not repeated: it may hold a secret."""
    values = {"token_url": SAFE, "scope": "mail", name: url}
    with pytest.raises(UsageError, match=name) as caught:
        provider_of(account(**values))
    assert "secret" not in str(caught.value)
