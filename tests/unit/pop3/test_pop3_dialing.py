import errno
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tls_server import answering

from archiver.errors import ServerUnavailable, SessionLost, UsageError
from archiver.pop3 import Limits, Proxy, Security, Server, Session
from archiver.pop3.dialing import Place, dial
from archiver.pop3.names import ascii_name, certified_name
from archiver.pop3.transport import Transport
from archiver.stopping import Stop
from infra.faulty_pop3 import FaultyPop3
from infra.silence import deaf

PLACE = Place("pop.example.com", 995, "pop.example.com:995", "check the port")


def _addresses(*addresses: tuple[str, int]) -> Callable[..., object]:
    """Finds these addresses, whatever name is looked up."""
    real = socket.getaddrinfo
    found = [real(*address, type=socket.SOCK_STREAM)[0] for address in addresses]
    return lambda *_, **__: found


def test_dead_address_does_not_take_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose first address does not answer is reached at its second within the time."""
    with deaf() as address, FaultyPop3() as server:
        find = _addresses(address, ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", find)
        place = Server("pop.example.com", 110, Security.PLAIN)
        assert Session.open(place, Limits(connect_timeout=1.0)).quit() == "bye"


def test_no_address_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose addresses are all dead is given up once, with each of them named."""
    with deaf() as one, deaf() as two:
        monkeypatch.setattr(socket, "getaddrinfo", _addresses(one, two))
        with pytest.raises(ServerUnavailable, match=r"did not answer in 0\.2 s") as caught:
            dial(PLACE, 0.2, Stop())
    assert "(127.0.0.1, 127.0.0.1)" in caught.value.message


def test_refused_address_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an IPv6 address where nobody listens is reached at its IPv4 address."""
    with FaultyPop3() as server:
        find = _addresses(("::1", 1), ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", find)
        with dial(PLACE, 5, Stop()) as connection:
            assert connection.getpeername() == ("127.0.0.1", server.port)


def test_connection_refused() -> None:
    """A port where nobody listens is named, and the hint names the usual ones."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServerUnavailable, match=rf"127\.0\.0\.1:{port} refuses") as caught:
        Session.open(Server("127.0.0.1", port))
    assert "995" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (TimeoutError("timed out"), ServerUnavailable, "did not answer in 5 s"),
        (OSError("odd"), ServerUnavailable, r"cannot connect to pop.*: odd \(127\.0\.0\.1\)"),
        (OSError(113, "No route to host"), ServerUnavailable, "no route to host"),
        # It may be busy, which is worth another try.
        (ConnectionResetError(errno.ECONNRESET, "Reset by peer"), SessionLost, "reset by peer"),
    ],
)
def test_unreachable(
    monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[ServerUnavailable], words: str
) -> None:
    """Each way of not reaching a server is said in its words."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", _addresses(("127.0.0.1", 1)))
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    with pytest.raises(kind, match=words) as caught:
        dial(PLACE, 5, Stop())
    assert type(caught.value) is kind


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "nul\0.example"])
def test_host_that_is_no_name(host: str) -> None:
    """A host that cannot be a name is not found."""
    with pytest.raises(ServerUnavailable, match="no address found"):
        Session.open(Server(host, 995))


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that nobody knows is named."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ServerUnavailable, match=r"no address found for pop\.example\.com"):
        dial(PLACE, 5, Stop())


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("pop.example.com", "pop.example.com"),
        ("my_host", "my_host"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("メール.example", "xn--4dkua4c.example"),
        ("::1", "::1"),
    ],
)
def test_names(host: str, name: str) -> None:
    """A host in any script is looked up by its A-label, and what is ASCII as it stands."""
    assert ascii_name(host) == name


@pytest.mark.parametrize("host", ["♥..example", "é" * 64 + ".example", "a\u0300\u202eb.example"])
def test_names_that_nobody_can_have(host: str) -> None:
    """A host that no name service could know is a mistake in the settings."""
    with pytest.raises(UsageError, match="cannot be the name of a host"):
        Session.open(Server(host, 995))


def test_name_in_a_certificate() -> None:
    """A certificate names a host without the dot of the root, and an address without interface."""
    assert certified_name("pop.example.com.") == "pop.example.com"
    assert certified_name("fe80::1%eth0") == "fe80::1"


def test_name_of_another_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SNI and certificate speak of a host in another script by its A-label."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("xn--bcher-kva.example").configure_cert(context)
    said: list[str | None] = []
    context.set_servername_callback(lambda _, name, __: said.append(name))
    with answering(context) as port:
        monkeypatch.setattr(socket, "getaddrinfo", _addresses(("127.0.0.1", port)))
        ca_file = str(tmp_path / "ca.pem")
        Session.open(Server("bücher.example", port, Security.TLS, ca_file)).quit()
        with pytest.raises(ServerUnavailable, match="not trusted"):
            Session.open(Server("büchse.example", port, Security.TLS, ca_file))
    assert said[0] == "xn--bcher-kva.example"


def test_ipv6() -> None:
    """A server that has an IPv6 address alone is reached."""
    with FaultyPop3(host="::1") as server:
        assert Session.open(Server("::1", server.port, Security.PLAIN)).quit() == "bye"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_local(host: str) -> None:
    """A server at a loopback address is this machine itself."""
    with FaultyPop3(host="::1" if host == "::1" else "127.0.0.1") as server:
        transport = Transport.connect(Server(host, server.port, Security.PLAIN), Limits())
        assert transport.local
        transport.close()


def test_not_local() -> None:
    """What a proxy connects to at a loopback address is not this machine, nor is another's."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as connection:
        connection.connect(listener.getsockname())
        proxied = Server("127.0.0.1", 110, Security.PLAIN, proxy=Proxy("socks5", "::1", 1080))
        assert not Transport(proxied, Limits(), connection).local
        connection.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.connect(("192.0.2.1", 110))
        assert not Transport(Server("192.0.2.1", 110), Limits(), far).local


def test_loopback_that_is_lost() -> None:
    """What was this machine is it still when the connection has broken: a loss is no refusal."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = socket.create_connection(listener.getsockname())
        transport = Transport(Server("127.0.0.1", 110, Security.PLAIN), Limits(), connection)
        transport.close()
        assert transport.local


def test_failure_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """A connection that came to nothing is closed."""
    monkeypatch.setattr(socket, "getaddrinfo", _addresses(("127.0.0.1", 1), ("::1", 1)))
    with pytest.raises(ServerUnavailable):
        dial(PLACE, 5, Stop())
    assert not recwarn.list
