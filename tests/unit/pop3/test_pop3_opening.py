from dataclasses import replace
from typing import Any

import pytest

from archiver.errors import (
    LoginRefused,
    ProtocolError,
    ServerRefused,
    ServerUnavailable,
    SessionLost,
    UsageError,
)
from archiver.model import Listed
from archiver.pop3 import Chunk, Credentials, Security, Server, Session
from infra.faulty_pop3 import FaultyPop3


def _open(server: FaultyPop3) -> Session:
    return Session.open(Server("127.0.0.1", server.port, Security.PLAIN))


def _signed_in(server: FaultyPop3) -> Session:
    session = _open(server)
    session.sign_in(Credentials("user", "secret"))
    return session


def test_endless_capabilities() -> None:
    """Capabilities without end are given up."""
    replies = {"CAPA": b"+OK\r\n" + b"X\r\n" * 501}
    with FaultyPop3(replies=replies) as server, pytest.raises(ProtocolError, match="no end"):
        _open(server)


def test_capabilities_refused_after_login_stay() -> None:
    """What was advertised before login counts where CAPA is refused after it."""
    with FaultyPop3() as server, _open(server) as session:
        server.faults = replace(server.faults, without={"CAPA"})
        session.sign_in(Credentials("user", "secret"))
        assert session.capabilities.pipelining


def test_no_capa() -> None:
    """A server without CAPA is asked once, and served by USER and PASS, one by one."""
    with (
        FaultyPop3([("u", b"hello\r\n")], without={"CAPA", "AUTH"}) as server,
        _signed_in(server) as session,
    ):
        assert not session.capabilities.advertised
        assert session.mechanism == "user"
        assert Chunk(b"hello\r\n") in list(session.retrieve([Listed(1, None, None)]))
        assert server.commands == ["CAPA", "USER user", "PASS secret", "RETR 1"]


def test_capabilities_after_login_count() -> None:
    """TOP and PIPELINING that are advertised only after login are known then."""
    with FaultyPop3(late_capabilities=True) as server, _open(server) as session:
        before = session.capabilities
        session.sign_in(Credentials("user", "secret"))
        after = session.capabilities
        assert (before.top, before.pipelining) == (False, False)
        assert (after.top, after.pipelining) == (True, True)


def test_login_delay() -> None:
    """A login that comes too soon is no refused login."""
    with FaultyPop3(early_logins=1) as server:
        with _open(server) as session, pytest.raises(ServerUnavailable, match="LOGIN-DELAY"):
            session.sign_in(Credentials("user", "secret"))
        with _signed_in(server) as session:
            session.noop()


def test_wrong_password() -> None:
    """A wrong password is a refused login, and the password is in no message."""
    with FaultyPop3() as server, _open(server) as session:
        with pytest.raises(LoginRefused, match="AUTH") as caught:
            session.sign_in(Credentials("user", "hunter2"))
        assert "hunter2" not in caught.value.message
        assert caught.value.hint


def test_nothing_of_an_injection_is_sent() -> None:
    """A line end in a password is refused before a word is said."""
    with FaultyPop3() as server, _open(server) as session:
        with pytest.raises(UsageError):
            session.sign_in(Credentials("user", "a\r\nDELE 1"))
        assert server.commands == ["CAPA"]


def test_utf8_before_login() -> None:
    """UTF8 goes ahead of the login where it is asked for."""
    with FaultyPop3(utf8=True) as server, _open(server) as session:
        assert session.capabilities.utf8
        session.sign_in(Credentials("user", "secret"), utf8=True, auth="user")
        assert server.commands == ["CAPA", "UTF8", "USER user", "PASS secret", "CAPA"]


def test_utf8_refused() -> None:
    """A server that does not give UTF8 mode gets no password."""
    with FaultyPop3() as server, _open(server) as session:
        with pytest.raises(ServerRefused, match="UTF8"):
            session.sign_in(Credentials("user", "secret"), utf8=True)
        assert server.commands == ["CAPA", "UTF8"]


def test_long_secret_over_the_wire() -> None:
    """PLAIN in two steps works against a server."""
    with FaultyPop3(login=("user", "x" * 300)) as server, _open(server) as session:
        session.sign_in(Credentials("user", "x" * 300))
        assert session.mechanism == "plain"


@pytest.mark.parametrize(
    ("faults", "error", "words"),
    [
        ({"greeting": b"-ERR [SYS/TEMP] full house\r\n"}, ServerUnavailable, "full house"),
        ({"greeting": b"220 smtp.example.com\r\n"}, ProtocolError, "220"),
        ({"greeting": b"+OK\n"}, ProtocolError, "LF"),
        ({"greeting": b"+OK\r\n+OK again\r\n"}, ProtocolError, "more than"),
        ({"endless_greeting": True}, ProtocolError, "8192"),
        ({"drop_after": [0]}, SessionLost, "closed"),
    ],
)
def test_greetings_that_are_none(faults: dict[str, Any], error: type, words: str) -> None:
    """What does not greet as POP3 does is refused in words."""
    with FaultyPop3(**faults) as server, pytest.raises(error, match=words):
        _open(server)


def test_challenges_over_the_wire() -> None:
    """A server that goes on asking is told that it was all, and USER and PASS are tried."""
    response = "AHVzZXIAc2VjcmV0"
    replies = {"AUTH": b"+ \r\n", response.upper(): b"+ bW9yZQ==\r\n"}
    with FaultyPop3(replies=replies) as server, _open(server) as session:
        session.sign_in(Credentials("user", "secret"))
        assert session.mechanism == "user"
        assert server.commands[1:-1] == [
            *(f"AUTH PLAIN {response}", response, "*", "USER user", "PASS secret"),
        ]


def test_injection_behind_a_challenge() -> None:
    """No secret is sent to a server that said more than its challenge."""
    replies = {"AUTH": b"+ \r\n+OK injected\r\n"}
    with FaultyPop3(replies=replies) as server, _open(server) as session:
        with pytest.raises(ProtocolError):
            session.sign_in(Credentials("user", "secret"))
        with pytest.raises(SessionLost):
            session.quit()
        assert len(server.commands) == 2


def test_sasl_without_user() -> None:
    """A refused USER is a refused login, and no password follows."""
    with FaultyPop3(replies={"USER": b"-ERR who\r\n"}, sasl=()) as server:
        with _open(server) as session, pytest.raises(LoginRefused, match="who"):
            session.sign_in(Credentials("user", "secret"))
        assert server.commands == ["CAPA", "USER user"]
