"""What an account's settings may say of signing in, TLS, proxies and waiting."""

import pytest

from archiver.config import (
    AUTH,
    AccountSettings,
    OAuthSettings,
    PasswordSource,
    ProxyUrl,
    ServerUrl,
    parse_fingerprint,
    parse_proxy,
    parse_settings,
    read_account,
)
from archiver.errors import UsageError

HEAD = "[store]\nurl = 's3://mail'\n[accounts.me]\nserver = 'pop3s://me@example.com'\n"
HEX = "0123456789abcdef" * 4
COLONS = ":".join(HEX[at : at + 2] for at in range(0, 64, 2)).upper()


def account(lines: str) -> AccountSettings:
    """The account of a file with these lines in its table."""
    (only,) = parse_settings(HEAD + lines, "x").accounts
    return only


def problems(lines: str) -> list[str]:
    """What is wrong with such a file."""
    with pytest.raises(UsageError) as caught:
        account(lines)
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


def test_every_setting_of_signing_in_and_tls() -> None:
    """Each of them ends in the value of its name."""
    lines = f"""
    auth = "scram-sha-256"
    authzid = "boss"
    cleartext_password = true
    tls_min = "1.0"
    tls_fingerprint = "SHA256:{COLONS}"
    client_cert = "me.pem"
    client_key = "me.key"
    proxy = "socks5://gate@proxy.example.com:1081"
    proxy_password_file = "gate"
    login_delay = 90
    """
    assert account(lines) == AccountSettings(
        name="me",
        server=ServerUrl("example.com", 995, "me", "tls"),
        auth="scram-sha-256",
        authzid="boss",
        cleartext_password=True,
        tls_min="1.0",
        tls_fingerprint=HEX,
        client_cert="me.pem",
        client_key="me.key",
        proxy=ProxyUrl("socks5", "proxy.example.com", 1081, "gate"),
        proxy_password=PasswordSource(file="gate"),
        login_delay=90.0,
    )


def test_oauth() -> None:
    """A known provider needs a client id alone; another one needs its endpoints and scope."""
    lines = "[accounts.me.oauth]\nprovider = 'google'\nclient_id = 'id'\n"
    assert account(lines).oauth == OAuthSettings(client_id="id", provider="google")
    lines = """
    [accounts.me.oauth]
    client_id = "id"
    client_secret_env = "SECRET"
    token_url = "https://example.com/token"
    device_url = "https://example.com/device"
    scope = "mail"
    """
    assert account(lines).oauth == OAuthSettings(
        client_id="id",
        client_secret=PasswordSource(env="SECRET"),
        token_url="https://example.com/token",
        device_url="https://example.com/device",
        scope="mail",
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("auth = 'ntlm'", f"auth is one of {', '.join(AUTH)}"),
        ("auth = 'xoauth2'", "auth = 'xoauth2' needs a table [accounts.me.oauth]"),
        ("auth = 'external'", "auth = 'external' needs a client_cert"),
        ("client_key = 'k'", "client_key needs a client_cert"),
        ("tls_min = '1.4'", "tls_min is one of 1.2, 1.0, 1.1, 1.3"),
        ("tls_fingerprint = 'ab:cd'", "'ab:cd' is not the SHA-256 of a certificate"),
        ("proxy = 'ftp://x'", "the proxy 'ftp://x' has no scheme that we know"),
        ("proxy = 'http://u:pw@x'", "the proxy's URL holds a password"),
        ("login_delay = 'soon'", "'soon' is not a number"),
        ("proxy_password_env = 'A'\nproxy_password_file = 'b'", "more than one source of its"),
        ("[accounts.me.oauth]\nprovider = 'google'", "needs a client_id"),
        ("[accounts.me.oauth]\nclient_id = 'i'", "token_url, scope, authorization_url or"),
        ("[accounts.me.oauth]\nprovider = 'x'\nclient_id = 'i'", "provider is one of custom"),
        ("oauth = 'google'", "'google' is not a table"),
    ],
)
def test_what_does_not_fit(lines: str, problem: str) -> None:
    """A setting that cannot be, or that lacks what it needs, is named with what is expected."""
    (found,) = problems(lines)
    assert problem in found
    assert "pw" not in found


def test_the_server_decides_on_waiting() -> None:
    """``server`` and silence leave the time between logins to the server."""
    assert account("login_delay = 'server'").login_delay is None
    assert account("").login_delay is None
    assert account("login_delay = 0").login_delay == 0.0


@pytest.mark.parametrize("text", [HEX, HEX.upper(), COLONS, f"sha256:{HEX}", f"SHA-256:{COLONS}"])
def test_fingerprints(text: str) -> None:
    """A fingerprint is read as the usual tools print it."""
    assert parse_fingerprint(text) == HEX


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("socks5://gate", ProxyUrl("socks5", "gate", 1080)),
        ("http://gate:3128", ProxyUrl("http", "gate", 3128)),
        ("SOCKS5://a%40b@[::1]:9", ProxyUrl("socks5", "::1", 9, "a@b")),
    ],
)
def test_proxies(text: str, proxy: ProxyUrl) -> None:
    """Scheme, host, port and user of a proxy are read from its URL."""
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize("text", ["gate:1080", "socks5://", "socks5://gate:x", "http://a%0d@gate"])
def test_what_is_no_proxy(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(UsageError):
        parse_proxy(text)


def test_an_account_from_options() -> None:
    """Options given one by one make the same account, and all that is wrong is said at once."""
    server = "pop3s://me@example.com"
    assert read_account("me", {"server": server, "tls_min": "1.3"}).tls_min == "1.3"
    with pytest.raises(UsageError) as caught:
        read_account("me", {"server": server, "auth": "x", "tls_min": "9"})
    first, second = caught.value.message.splitlines()
    assert first.startswith("auth is one of")
    assert second.startswith("tls_min is one of")
