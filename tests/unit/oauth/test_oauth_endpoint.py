import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archiver.errors import ServerUnavailable
from archiver.oauth import endpoint
from archiver.oauth.endpoint import post
from infra import certificate, process
from infra.authorization import Authorization, Canned


@contextmanager
def _saying(*pieces: bytes) -> Iterator[str]:
    """The address of a server that answers with these octets and closes, whatever is asked."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            for piece in pieces:
                connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/token"
        thread.join()


def test_object(authority: Authorization) -> None:
    """A form goes out, and a JSON object comes back."""
    authority.canned = Canned(200, '{"a": 1}')
    assert post(authority.token_url, {"b": "c d&e"}).fields == {"a": 1}
    assert authority.forms == [{"b": "c d&e"}]


def test_refusal_is_an_answer(authority: Authorization) -> None:
    """What the server refuses in the words of OAuth is an answer, not trouble."""
    authority.canned = Canned(400, '{"error": "invalid_grant"}')
    assert post(authority.token_url, {}).fields == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("canned", "said"),
    [
        (Canned(500, "<html>oops</html>"), "answered 500 Internal Server Error"),
        (Canned(503, '{"error": "busy"}'), "answered 503 Service Unavailable"),
        (Canned(429, "{}"), "answered 429 Too Many Requests"),
        (Canned(404, "<html>"), "answered 404 Not Found: no OAuth answer"),
        (Canned(403, '{"message": "no"}'), "answered 403 Forbidden: no OAuth answer"),
        (Canned(200, "<html>Sign in!</html>"), "something that is not a JSON object"),
        (Canned(200, '["access_token"]'), "something that is not a JSON object"),
        (Canned(200, "[" * 100_000), "something that is not a JSON object"),
        (Canned(200, ""), "something that is not a JSON object"),
        (Canned(200, "x" * (1 << 20) + "x"), "its answer is too long"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Canned) else "",
)
def test_anything_else(authority: Authorization, canned: Canned, said: str) -> None:
    """Whatever else comes back is one line that names the server and what it did."""
    authority.canned = canned
    with pytest.raises(ServerUnavailable, match=said) as caught:
        post(authority.token_url, {})
    assert caught.value.message.startswith("127.0.0.1:")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(authority: Authorization, status: int) -> None:
    """A redirect is not followed: what was sent was meant for this address."""
    authority.canned = Canned(status, "", {"Location": f"{authority.url}/introspect"})
    with pytest.raises(ServerUnavailable, match="a redirect, which is not followed"):
        post(authority.token_url, {"refresh_token": "secret"})
    assert len(authority.forms) == 1


def test_nobody_there() -> None:
    """A server that is not there is said to be out of reach."""
    (port,) = process.free_ports(1)
    with pytest.raises(ServerUnavailable, match="Connection refused"):
        post(f"http://127.0.0.1:{port}/token", {})


def test_unknown_name() -> None:
    """A name that does not exist is said to be out of reach."""
    with pytest.raises(ServerUnavailable, match=r"id\.invalid cannot be asked for a token"):
        post("https://id.invalid/token", {})


def test_silence(monkeypatch: pytest.MonkeyPatch, authority: Authorization) -> None:
    """A server that does not answer is not waited for without end."""
    monkeypatch.setattr(endpoint, "_SILENCE_SECONDS", 0.05)
    authority.canned = Canned(200, "{}", seconds=0.5)
    with pytest.raises(ServerUnavailable, match="does not answer in time"):
        post(authority.token_url, {})


def test_dripping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that goes on sending a little is not listened to without end."""
    monkeypatch.setattr(endpoint, "_WHOLE_SECONDS", -1.0)
    with (
        _saying(b"HTTP/1.0 200 OK\r\n\r\n{", b"}") as url,
        pytest.raises(ServerUnavailable, match="does not answer in time"),
    ):
        post(url, {})


@pytest.mark.parametrize(
    "octets", [b"", b"+OK POP3 ready\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_no_http(octets: bytes) -> None:
    """What speaks no HTTP, or stops in the middle, is one line as well."""
    with _saying(octets) as url, pytest.raises(ServerUnavailable):
        post(url, {})


@pytest.fixture
def files(tmp_path: Path) -> certificate.Certificate:
    """A certificate for 127.0.0.1."""
    return certificate.issue(tmp_path)


def test_https(monkeypatch: pytest.MonkeyPatch, files: certificate.Certificate) -> None:
    """Over HTTPS the system's authorities vouch for the server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files.ca_file))
    with Authorization(files) as authority:
        authority.canned = Canned(200, "{}")
        assert post(authority.token_url, {}).fields == {}


def test_unknown_authority(files: certificate.Certificate) -> None:
    """A certificate that nobody vouches for is refused before anything is sent."""
    with Authorization(files) as authority:
        with pytest.raises(ServerUnavailable, match="certificate is not good"):
            post(authority.token_url, {"refresh_token": "secret"})
        assert not authority.forms


def test_no_proxy_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, authority: Authorization
) -> None:
    """What is meant for this machine does not leave it by way of a proxy."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    authority.canned = Canned(200, "{}")
    assert post(authority.token_url, {}).fields == {}


def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the environment's proxy is used."""
    with _saying(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as url:
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(ServerUnavailable, match="407"):
            post("https://id.invalid/token", {})


def test_secrets_are_not_repeated(authority: Authorization) -> None:
    """What a server repeats of our secrets is not shown, nor in a representation."""
    authority.canned = Canned(400, '{"error": "bad", "error_description": "no hunter2 here"}')
    answer = post(authority.token_url, {"refresh_token": "hunter2"})
    assert answer.quote(answer.fields["error_description"]) == "no ... here"
    assert "hunter2" not in repr(answer)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (None, ""),
        (7, ""),
        ("", ""),
        ("AADSTS70000: expired.\r\nTrace ID: 1", "AADSTS70000: expired"),
        ("red \x1b[31m alert", "red [31m alert"),
        ("x" * 500, "x" * 200),
    ],
)
def test_quoting(authority: Authorization, said: object, shown: str) -> None:
    """What a server says is shown as one short line without control characters."""
    authority.canned = Canned(200, "{}")
    assert post(authority.token_url, {}).quote(said) == shown
