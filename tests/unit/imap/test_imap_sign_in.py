"""Signing in to a real IMAP server, by every way that it has, and by LOGIN where it offers none."""

from collections.abc import Iterator
from itertools import count

import pytest

from archiver.errors import LoginRefused, ServerUnavailable
from archiver.imap import ImapSession
from archiver.imap.sign_in import ImapDialogue
from archiver.pop3 import Credentials, Limits, Security, Server
from archiver.pop3.dialogue import Peer
from archiver.pop3.sign_in import sign_in
from infra.dovecot_imap import DovecotImap

PASSWORD = "correct hörse, = battery"
_numbers = count(1)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, dovecot_imap: DovecotImap
) -> Iterator[DovecotImap]:
    """A server with every way to sign in; that it can be had is known from the other one."""
    with DovecotImap(tmp_path_factory.mktemp("imap-sign-in"), every_sign_in=True) as started:
        yield started


@pytest.fixture
def user(server: DovecotImap) -> str:
    """A user of whom the server knows the password itself."""
    name = f"user {next(_numbers)}"
    server.add_user(name, PASSWORD)
    return name


def connected(server: DovecotImap, security: Security, *, certificate: bool = False) -> ImapSession:
    """A session before anybody signed in."""
    place = Server(
        "127.0.0.1",
        server.imaps_port if security is Security.TLS else server.imap_port,
        security,
        None if security is Security.PLAIN else str(server.ca_file),
        client_cert=str(server.directory / "client.pem") if certificate else None,
        client_key=str(server.directory / "client.key") if certificate else None,
    )
    return ImapSession.connect(place, Limits())


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("auth", ["auto", "plain", "login", "cram-md5", "scram-sha-256"])
def test_right_password(server: DovecotImap, user: str, auth: str, security: Security) -> None:
    """Each way lets the right password in, and what the server can do is then known."""
    session = connected(server, security)
    session.sign_in(Credentials(user, PASSWORD), auth)
    assert "MULTIAPPEND" in session.capabilities
    session.leave()


@pytest.mark.parametrize("auth", ["auto", "plain", "login", "cram-md5", "scram-sha-256"])
def test_wrong_password(server: DovecotImap, user: str, auth: str) -> None:
    """Each way refuses a wrong one, in IMAP's words, and shows nothing of it."""
    session = connected(server, Security.TLS)
    with pytest.raises(LoginRefused) as refused:
        session.sign_in(Credentials(user, "secret word"), auth)
    said = refused.value.message + refused.value.hint
    assert "POP3" not in said
    assert "secret word" not in said


def test_certificate(server: DovecotImap) -> None:
    """A certificate of the server's authority lets its owner in."""
    server.add_user("user", PASSWORD)
    session = connected(server, Security.TLS, certificate=True)
    session.sign_in(Credentials("user", certificate=True), "external")
    assert session.exists("INBOX")
    session.leave()


def test_login_as_the_only_way(server: DovecotImap, user: str) -> None:
    """LOGIN takes any name and password, as literals."""
    session = connected(server, Security.TLS)
    dialogue = ImapDialogue(session._wire, Peer(secured=True), initial=False)
    assert sign_in(dialogue, Credentials(user, PASSWORD), auth="user") == "user"
    session.drop()


def test_no_imap_at_all(server: DovecotImap) -> None:
    """What is no IMAP server is told from one."""
    place = Server("127.0.0.1", server.port, Security.PLAIN)
    with pytest.raises(ServerUnavailable):
        ImapSession.connect(place, Limits(read_timeout=5))
