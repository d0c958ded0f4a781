"""Smaller targets: a certificate, an authorization server's answer, a file of settings, URLs."""

import io
import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from unittest.mock import patch

from archiver.config import parse_fingerprint, parse_proxy, parse_server, parse_settings, parse_size
from archiver.errors import ServerUnavailable, UsageError
from archiver.oauth.endpoint import post
from archiver.oauth.flows import _device
from archiver.oauth.grants import Grants, Refusal, refuse
from archiver.oauth.providers import Provider
from archiver.pop3.certificate import read_certificate
from infra.fuzz import Finding

_URL_PASSWORD = "hunter2hunter2"  # noqa: S105 - what must not be found anywhere
_FORM = {"refresh_token": "refresh-4711", "client_secret": "client-0815", "client_id": "id"}
_GRANTS = Grants(Provider("id", "http://127.0.0.1:1/token", None, None, "mail"), "client-0815")

# For pop.example.com and 127.0.0.1, of an authority that was forgotten.
_CERTIFICATE = (
    "MIICUzCCAfmgAwIBAgIUA+hlx+Ckrkx18nsleDeq29Me8j8wCgYIKoZIzj0EAwIwQDEXMBUGA1UECgwOdHJ1c3RtZSB2"
    "MS4yLjExJTAjBgNVBAsMHFRlc3RpbmcgQ0EgI01Oam1CVkZrT3FicGhsc1MwIBcNMDAwMTAxMDAwMDAwWhgPMzAwMDAx"
    "MDEwMDAwMDBaMFwxFzAVBgNVBAoMDnRydXN0bWUgdjEuMi4xMScwJQYDVQQLDB5UZXN0aW5nIGNlcnQgI2JwZ3BWTFNY"
    "OGdQVkE0X0ExGDAWBgNVBAMMD3BvcC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHTYSna+XZmd"
    "LFDRUN0nfJh0UNgSJBmRy/2pWczGMjhmGUutV9vOMaRM4nS6fP+LkdG3wEJU+JZLYTLgouhujEOjgbIwga8wHQYDVR0O"
    "BBYEFKLn66dxCnaa4cn1kps/pLxvzQsbMAwGA1UdEwEB/wQCMAAwHwYDVR0jBBgwFoAU6iiN8cBgV6BpA95ZppQG8Xl5"
    "FhYwIwYDVR0RAQH/BBkwF4IPcG9wLmV4YW1wbGUuY29thwR/AAABMA4GA1UdDwEB/wQEAwIFoDAqBgNVHSUBAf8EIDAe"
    "BggrBgEFBQcDAgYIKwYBBQUHAwEGCCsGAQUFBwMDMAoGCCqGSM49BAMCA0gAMEUCIQDt7BLoF5Upj/34HbJ+67XHAema"
    "eEiqbXtV7+6WCNXP/wIgVX008pt4NzqRoe2WSptH/OBHMbMqkNu/5sdIx2LJSVc="
)
DER = (b"\x30\x82", b"\x06\x03\x55\x04\x03", b"\x0c\x04", b"\x17\x0d", b"\x18\x0f", b"\x87\x04")
HTTP = (
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 Bad\r\n", b"HTTP/1.1 302 Found\r\nLocation: /\r\n"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"5\r\n", b"0\r\n\r\n"),
    *(b'"access_token": ', b'"refresh_token": ', b'"expires_in": ', b'"error": ', b'"scope": '),
    *(b'"error_description": ', b'"interval": ', b"1e999", b"NaN", b"\\ud800", b"refresh-4711"),
)
TOML = (
    *(b"[store]\n", b"url = ", b"[accounts.a]\n", b"server = ", b'"pop3s://u@h"', b"[accounts.a.o"),
    *(b"auth = ", b"tls_min = ", b"timeout = ", b"tries = ", b"max_message = ", b"inf", b"nan"),
    *(b"proxy = ", b"tags = {a = 1}", b"1979-05-27", b"0x" + b"f" * 200, b"tls_fingerprint = "),
    *(b"[[", b"]]", b'"""', b"password_env = ", b"login_delay = ", b"[" * 200, b"9" * 200),
)
URL = (
    *(b"pop3s://", b"pop3://", b"pop3+plain://", b"socks5://", b"http://", b"@", b":", b"%00"),
    *(b"[::1]", b"%zz", b":" + _URL_PASSWORD.encode() + b"@", b"\xff", b"#", b"?", b"//", b"\n"),
)


def certificate(octets: bytes) -> None:
    """What a certificate says is short and moves no cursor, whatever its octets are."""
    said = read_certificate(octets)
    for text in (said.subject, said.issuer, *said.names, said.not_before, said.not_after):
        if not text.isprintable() or len(text) > 200:
            raise Finding(f"not fit to be shown: {text!r}")


def endpoint(octets: bytes) -> None:
    """An authorization server's answer is tokens, a refusal, or trouble; never our secrets."""

    def connect(connection: HTTPConnection) -> None:
        connection.sock = _Answering(octets)

    with patch.object(HTTPConnection, "connect", connect):
        try:
            answer = post("http://127.0.0.1:1/token", _FORM)
        except ServerUnavailable as error:
            _discreet(error.message + error.hint)
            return
    for use in (
        lambda: _GRANTS.token(answer, 0.0),
        lambda: refuse(answer),
        lambda: _device(answer),
    ):
        try:
            use()
        except (ServerUnavailable, Refusal) as error:
            _discreet(str(error))


def settings(octets: bytes) -> None:
    """A file of settings can be used, or it is said why not."""
    text = octets.decode("utf-8", "replace")
    with suppress(UsageError):
        parse_settings(text, "archiver.toml")
    for parse in (parse_size, parse_fingerprint):
        with suppress(ValueError):
            parse(text)


def urls(octets: bytes) -> None:
    """A URL names host, port and user that can be used, or it is said why not."""
    text = os.fsdecode(octets)
    for parse in (parse_server, parse_proxy):
        try:
            read = parse(text)
        except UsageError as error:
            rest = text.replace(f":{_URL_PASSWORD}@", "")
            if rest != text and _URL_PASSWORD in str(error) and _URL_PASSWORD not in rest:
                raise Finding(f"a password is shown: {error}") from error
            continue
        if not (read.host and 0 < read.port < 1 << 16):
            raise Finding(f"no address: {read}")
        read.user.encode()
        read.host.encode()


def certificates() -> Iterator[bytes]:
    """A certificate of an authority, as servers send it."""
    yield b64decode(_CERTIFICATE)


def answers() -> Iterator[bytes]:
    """Answers of a token endpoint and of a device endpoint."""
    for body in (
        b'{"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}',
        b'{"error": "invalid_grant", "error_description": "no refresh-4711"}',
        b'{"device_code": "a", "user_code": "b", "verification_uri": "https://c", "interval": 5}',
    ):
        for status in (b"200 OK", b"400 Bad Request", b"503 Busy"):
            yield b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"


def files() -> Iterator[bytes]:
    """Files of settings."""
    yield (
        b'[store]\nurl = "s3://b/p"\ntags = {a = "1"}\n[accounts.a]\nserver = "pop3s://u@h:1"\n'
        b'auth = "plain"\npassword_env = "P"\ntimeout = 5.5\nmax_message = "1GiB"\n'
        b'login_delay = "server"\nproxy = "socks5://p"\n[accounts.b]\nserver = "pop3://u@h"\n'
        b'auth = "xoauth2"\n[accounts.b.oauth]\nprovider = "google"\nclient_id = "i"\n'
    )


def addresses() -> Iterator[bytes]:
    """URLs of mailboxes and proxies."""
    yield from (b"pop3s://me@example.com@pop.example.com:995", b"pop3://a%40b@[::1]:110/")
    yield from (b"socks5://u@proxy:1080", b"http://proxy", b"pop3s://u:hunter2hunter2@host")


def _discreet(text: str) -> None:
    if any(_FORM[name] in text for name in ("refresh_token", "client_secret")):
        raise Finding(f"a secret is shown: {text}")


class _Answering:
    """As much of a socket as ``http.client`` needs."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def sendall(self, octets: bytes) -> None:
        """Nobody listens."""

    def makefile(self, _mode: str, *_: object) -> io.BufferedReader:
        """What the server says."""
        return io.BufferedReader(io.BytesIO(self._octets))

    def settimeout(self, _seconds: float) -> None:
        """There is no clock."""

    def close(self) -> None:
        """There is nothing to close."""
