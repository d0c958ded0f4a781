import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import ProtocolError, ServerUnavailable, SessionLost, UsageError
from archiver.pop3 import Credentials, Limits, Security, Server, Session
from archiver.pop3.transport import Transport
from infra.certificate import Certificate, issue
from infra.faulty_pop3 import FaultyPop3

SHORT = Limits(connect_timeout=0.2, read_timeout=0.2)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 and localhost, and its authority."""
    return issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def _serving(certificate: Certificate, **options: Any) -> FaultyPop3:
    return FaultyPop3(
        [("u", b"hello\r\n")],
        certificate_file=str(certificate.certificate_file),
        key_file=str(certificate.key_file),
        **options,
    )


def _server(port: int, security: Security, certificate: Certificate | None = None) -> Server:
    ca_file = str(certificate.ca_file) if certificate else None
    return Server("127.0.0.1", port, security, ca_file)


@pytest.mark.parametrize("security", [Security.TLS, Security.STLS])
def test_tls(certificate: Certificate, security: Security) -> None:
    """A session over TLS, from the start or by STLS, signs in and counts."""
    with _serving(certificate, implicit_tls=security is Security.TLS) as server:
        with Session.open(_server(server.port, security, certificate)) as session:
            session.sign_in(Credentials("user", "secret"))
            assert session.stat() == (1, 7)
            session.quit()
        assert "STLS" not in server.commands[1:]
        assert (server.commands[0] == "STLS") is (security is Security.STLS)


def test_capabilities_are_those_behind_stls(certificate: Certificate) -> None:
    """No capability is learnt on the clear connection."""
    with _serving(certificate) as server:
        with Session.open(_server(server.port, Security.STLS, certificate)) as session:
            assert session.capabilities.advertised
            assert not session.capabilities.stls
        assert server.commands == ["STLS", "CAPA"]


def test_injection_behind_stls(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Octets between the +OK to STLS and the handshake end the session before the handshake."""
    monkeypatch.setattr(Transport, "secure", lambda _: pytest.fail("a handshake was begun"))
    with _serving(certificate, after_stls=b"+OK injected\r\n") as server:
        with pytest.raises(ProtocolError, match="more than it was asked"):
            Session.open(_server(server.port, Security.STLS, certificate))
        assert server.commands == ["STLS"]


def test_stls_without_a_handshake() -> None:
    """A server that grants STLS and hangs up is told apart from one without TLS."""
    greeting, granted = b"+OK ready\r\n", b"+OK begin\r\n"
    with (
        FaultyPop3(replies={"STLS": granted}, drop_after=[len(greeting + granted)]) as server,
        pytest.raises(ServerUnavailable, match="no TLS with") as caught,
    ):
        Session.open(_server(server.port, Security.STLS))
    assert "between" in caught.value.hint


def test_no_stls() -> None:
    """A server without STLS gets no password, and the hint says what to try."""
    with FaultyPop3() as server:
        with pytest.raises(ServerUnavailable, match="STLS") as caught:
            Session.open(_server(server.port, Security.STLS))
        assert "pop3s://" in caught.value.hint
        assert server.commands == ["STLS"]


def test_unknown_authority(certificate: Certificate) -> None:
    """A certificate that nobody vouches for is refused, and the hint names ca_file."""
    with (
        _serving(certificate, implicit_tls=True) as server,
        pytest.raises(ServerUnavailable, match="not trusted") as caught,
    ):
        Session.open(_server(server.port, Security.TLS))
    assert "ca_file" in caught.value.hint


def test_system_trust_from_the_environment(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE names the authorities where no ca_file does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca_file))
    with _serving(certificate, implicit_tls=True) as server:
        Session.open(_server(server.port, Security.TLS)).quit()


def test_wrong_name(certificate: Certificate) -> None:
    """A certificate for another name is refused, and the hint says which name we used."""
    with _serving(certificate, implicit_tls=True) as server:
        place = Server("127.0.0.2", server.port, Security.TLS, str(certificate.ca_file))
        connection = socket.create_connection(("127.0.0.1", server.port), 5)
        transport = Transport(place, Limits(), connection)
        with pytest.raises(ServerUnavailable, match="not trusted") as caught:
            transport.secure()
        transport.close()
    assert "127.0.0.2" in caught.value.hint


@pytest.mark.parametrize(
    ("words", "hint"),
    [("certificate has expired", "clock"), ("certificate is not yet valid", "clock")],
)
def test_hint_for_a_certificate_out_of_date(
    silent: int, monkeypatch: pytest.MonkeyPatch, words: str, hint: str
) -> None:
    """A certificate out of date may mean that our clock is wrong."""

    def refuse(*_: object, **__: object) -> None:
        error = ssl.SSLCertVerificationError(1, words)
        error.verify_message = words
        raise error

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", refuse)
    with pytest.raises(ServerUnavailable, match=words) as caught:
        Session.open(_server(silent, Security.TLS))
    assert hint in caught.value.hint


def test_no_tls_at_all() -> None:
    """A port that speaks POP3 in the clear is told apart from a bad certificate."""
    with (
        FaultyPop3() as server,
        pytest.raises(ServerUnavailable, match=f"no TLS with 127.0.0.1:{server.port}") as caught,
    ):
        Session.open(_server(server.port, Security.TLS))
    assert "pop3://" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_unusable_ca_file(tmp_path: Path, silent: int, content: bytes | None) -> None:
    """A CA file that cannot be used is a mistake in the settings that names the file."""
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(UsageError, match=r"ca\.pem"):
        Session.open(Server("127.0.0.1", silent, Security.TLS, str(ca_file)))


def test_end_without_close_notify(certificate: Certificate) -> None:
    """TLS that ends without close_notify is a lost session, not an end."""
    with (
        _serving(certificate, implicit_tls=True, drop_after=[30]) as server,
        pytest.raises(SessionLost, match="without saying so"),
    ):
        Session.open(_server(server.port, Security.TLS, certificate))


def test_no_close_notify_after_quit(certificate: Certificate) -> None:
    """TLS that ends without close_notify after the +OK to QUIT is fine."""
    with _serving(certificate, implicit_tls=True) as server:
        assert Session.open(_server(server.port, Security.TLS, certificate)).quit() == "bye"


def test_silence_instead_of_a_handshake(silent: int) -> None:
    """The handshake is limited in time."""
    with pytest.raises(ServerUnavailable, match="handshake in time"):
        Session.open(_server(silent, Security.TLS), SHORT)


def test_silence_instead_of_a_greeting(silent: int) -> None:
    """The greeting is limited in time."""
    with pytest.raises(SessionLost, match=r"0 octets came in 0\.2 s"):
        Session.open(_server(silent, Security.PLAIN), SHORT)


def test_password_never_on_a_clear_connection() -> None:
    """A session that is not secure signs in only where that was chosen in words."""
    with FaultyPop3() as server:
        place = Server("127.0.0.1", server.port, Security.PLAIN)
        plain = Transport.connect(place, Limits())
        session = Session(Server("127.0.0.1", server.port, Security.TLS), Limits(), plain)
        session._begin()
        with pytest.raises(RuntimeError):
            session.sign_in(Credentials("user", "secret"))
        session.drop()
        assert server.commands == ["CAPA"]


def test_writing_to_a_lost_connection(silent: int) -> None:
    """A write that fails is a lost session."""
    transport = Transport.connect(_server(silent, Security.PLAIN), SHORT)
    transport.close()
    with pytest.raises(SessionLost, match=f"lost 127.0.0.1:{silent}"):
        transport.write(b"QUIT\r\n")
    transport.close()


def test_failure_leaves_no_socket_open(
    certificate: Certificate, recwarn: pytest.WarningsRecorder
) -> None:
    """A connection that could not be made secure is closed."""
    with _serving(certificate, implicit_tls=True) as server, pytest.raises(ServerUnavailable):
        Session.open(_server(server.port, Security.TLS))
    assert not recwarn.list


def test_address_of_ipv6() -> None:
    """A host with colons is shown in brackets."""
    assert Server("::1", 995).address == "[::1]:995"
    assert Server("pop.example.com", 995).address == "pop.example.com:995"
