"""A session in a run that is asked to end: wherever it waits, it ends, and nothing is quit."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.errors import Interrupted, SessionLost
from archiver.model import Listed
from archiver.pop3 import Credentials, Finished, Limits, Proxy, Security, Server, Session
from archiver.stopping import Stop
from infra.certificate import issue
from infra.faulty_pop3 import FaultyPop3
from infra.silence import deaf

MAIL = [(f"u{n}", b"Subject: %d\r\n\r\ntext\r\n" % n) for n in (1, 2)]
LISTED = [Listed(n, f"u{n}", len(octets)) for n, (_, octets) in enumerate(MAIL, 1)]


def limits() -> Limits:
    """Time-outs that no test lives to see, in a run that is soon asked to end."""
    stop = Stop(grace=0)
    threading.Timer(0.1, stop.ask).start()
    return Limits(connect_timeout=3600, read_timeout=3600, stop=stop)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("security", [Security.PLAIN, Security.TLS])
def test_silence(silent: int, security: Security) -> None:
    """Waiting for a greeting, or for a handshake, ends."""
    with pytest.raises(Interrupted):
        Session.open(Server("127.0.0.1", silent, security), limits())


def test_silence_in_the_handshake_of_stls(tmp_path: Path) -> None:
    """Waiting for the server's part of a handshake after STLS ends."""
    made = issue(tmp_path)
    with FaultyPop3(
        certificate_file=str(made.certificate_file),
        key_file=str(made.key_file),
        silent_handshake=True,
    ) as server:
        place = Server("127.0.0.1", server.port, Security.STLS, str(made.ca_file))
        with pytest.raises(Interrupted):
            Session.open(place, limits())


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_silent_proxy(silent: int, kind: str) -> None:
    """Waiting for a proxy ends."""
    place = Server("pop.example.com", 110, Security.PLAIN, proxy=Proxy(kind, "127.0.0.1", silent))
    with pytest.raises(Interrupted):
        Session.open(place, limits())


@pytest.mark.parametrize("proxied", [True, False])
def test_black_hole(proxied: bool) -> None:
    """Waiting for a connection to a host, or to a proxy, that does not answer ends."""
    with deaf() as (host, port):
        proxy = Proxy("socks5", host, port) if proxied else None
        with pytest.raises(Interrupted):
            Session.open(Server(host, port, Security.PLAIN, proxy=proxy), limits())


def test_name_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a name service ends; the look-up is left behind."""
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait())
    with pytest.raises(Interrupted):
        Session.open(Server("pop.example.com", 110, Security.PLAIN), limits())
    never.set()


@pytest.mark.parametrize("pipelining", [True, False])
def test_in_the_middle_of_a_message(pipelining: bool) -> None:
    """A message is broken off, whether or not more of it comes; the one before may not be whole."""
    stop = Stop(grace=0)
    mail = [MAIL[0], ("u2", b"x" * (4 << 20))]
    with FaultyPop3(mail, pipelining=pipelining) as server:
        place = Server("127.0.0.1", server.port, Security.PLAIN)
        session = Session.open(place, Limits(stop=stop))
        session.sign_in(Credentials("user", "secret"))
        with pytest.raises(Interrupted):
            for event in session.retrieve(LISTED):
                if isinstance(event, Finished):
                    stop.ask()
        assert session.suspect == LISTED[0]
        with pytest.raises(SessionLost, match="interrupted"):
            session.quit()
    assert "QUIT" not in server.commands
