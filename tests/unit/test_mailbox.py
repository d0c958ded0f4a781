from dataclasses import replace
from pathlib import Path

import pytest

from archiver.config import AccountSettings, PasswordSource, ProxyUrl, ServerUrl
from archiver.errors import UsageError
from archiver.mailbox import limits, mailbox, server
from archiver.pop3 import Pipelining, Proxy, Security, Server

ACCOUNT = AccountSettings(
    name="mine",
    server=ServerUrl("pop.example.com", 995, "user", "tls"),
    password=PasswordSource(env="MAIL_PASSWORD"),
)
PROXY = ProxyUrl("socks5", "proxy.example.com", 1080, "me")


def test_defaults() -> None:
    """An account that says nothing of its connection gets the strictest there is."""
    place = server(ACCOUNT)
    assert place == Server("pop.example.com", 995, Security.TLS)
    assert (place.tls_min, place.fingerprint, place.client_cert, place.proxy) == (
        *("1.2", None, None),
        None,
    )


def test_every_setting_of_the_connection_arrives() -> None:
    """What an account says of certificates and versions is what the engine does."""
    account = replace(
        ACCOUNT,
        ca_file="ca.pem",
        tls_min="1.0",
        tls_fingerprint="ab" * 32,
        client_cert="c.pem",
        client_key="k.pem",
    )
    place = Server(
        host="pop.example.com",
        port=995,
        ca_file="ca.pem",
        tls_min="1.0",
        fingerprint="ab" * 32,
        client_cert="c.pem",
        client_key="k.pem",
    )
    assert server(account) == place


def test_proxy_without_a_password() -> None:
    """A proxy that has no password is not asked for one."""
    place = server(replace(ACCOUNT, proxy=PROXY))
    assert place.proxy == Proxy("socks5", "proxy.example.com", 1080, "me", "")


def test_proxy_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's password comes from the source that is named for it, and is not shown."""
    monkeypatch.setenv("PROXY_PASSWORD", "hunter2")
    source = PasswordSource(env="PROXY_PASSWORD")
    place = server(replace(ACCOUNT, proxy=PROXY, proxy_password=source))
    assert place.proxy is not None
    assert place.proxy.password == "hunter2"
    assert "hunter2" not in repr(place)


def test_missing_password_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's password that cannot be had is a mistake in the settings."""
    monkeypatch.delenv("PROXY_PASSWORD", raising=False)
    source = PasswordSource(env="PROXY_PASSWORD")
    with pytest.raises(UsageError, match="PROXY_PASSWORD"):
        server(replace(ACCOUNT, proxy=PROXY, proxy_password=source))


def test_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mailbox is a place and what gets in, with no secret on show."""
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    box = mailbox(replace(ACCOUNT, client_cert="c.pem", cleartext_password=True), tmp_path)
    assert box.credentials.password == "hunter2"
    assert box.credentials.certificate
    assert box.credentials.cleartext
    assert "hunter2" not in repr(box)


def test_certificate_in_place_of_a_password(tmp_path: Path) -> None:
    """Who signs in by certificate is asked for no password."""
    account = replace(ACCOUNT, auth="external", client_cert="c.pem")
    assert mailbox(account, tmp_path).credentials.password is None


def test_limits() -> None:
    """One time-out is for connecting and for reading, and a narrow session pipelines nothing."""
    account = replace(ACCOUNT, timeout=7.0, pipelining="always")
    assert (limits(account).connect_timeout, limits(account).read_timeout) == (7.0, 7.0)
    assert limits(account).pipelining is Pipelining.ALWAYS
    assert limits(account, narrow=True).pipelining is Pipelining.NEVER
