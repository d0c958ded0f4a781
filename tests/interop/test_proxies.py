"""Through real proxies: microsocks, Dante and tinyproxy."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from archiver.errors import ServerUnavailable
from archiver.pop3 import Credentials, Limits, Proxy, Security, Server, Session
from infra.certificate import Certificate, issue
from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import Mailbox
from infra.proxies import Proxies

NAME = "pop.example.test"
USER, SECRET = "user", "open sesame"
KINDS = ("microsocks", "dante", "tinyproxy")


@pytest.fixture(scope="module")
def through(proxies: Proxies) -> Callable[..., Proxy]:
    """Gives a proxy that lets in a user, or everybody, as the settings would have it."""

    @cache
    def start(name: str, user: str = "", password: str = "") -> Proxy:
        port = getattr(proxies, name)(user, password)
        return Proxy("http" if name == "tinyproxy" else "socks5", "127.0.0.1", port, user, password)

    return start


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The certificate of a host that this machine does not know."""
    return issue(tmp_path_factory.mktemp("certificate"), NAME)


@pytest.fixture(params=[Security.TLS, Security.STLS])
def far(certificate: Certificate, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose name only the proxies know."""
    with FaultyPop3(
        [("u", b"hello\r\n")],
        certificate_file=str(certificate.certificate_file),
        key_file=str(certificate.key_file),
        implicit_tls=request.param is Security.TLS,
    ) as server:
        yield Server(NAME, server.port, request.param, str(certificate.ca_file))


def reached(server: Server, proxy: Proxy) -> Server:
    """The server as it is reached through the proxy."""
    return Server(server.host, server.port, server.security, server.ca_file, proxy=proxy)


@pytest.mark.parametrize("name", KINDS)
def test_name_is_the_proxys_to_look_up(
    through: Callable[..., Proxy], far: Server, name: str
) -> None:
    """A server that only the proxy knows is reached, and its certificate is checked by its name."""
    with pytest.raises(ServerUnavailable, match="no address found"):
        Session.open(far)
    with Session.open(reached(far, through(name))) as session:
        session.sign_in(Credentials("user", "secret"))
        assert session.stat() == (1, 7)
        assert session.tls is not None
        assert session.tls.names == (NAME,)
        assert session.quit() == "bye"


@pytest.mark.parametrize("name", KINDS)
def test_certificate_of_another_name(through: Callable[..., Proxy], far: Server, name: str) -> None:
    """A certificate is checked for the server's name, not for the proxy's."""
    place = Server("127.0.0.1", far.port, far.security, far.ca_file)
    with pytest.raises(ServerUnavailable, match="not trusted") as caught:
        Session.open(reached(place, through(name)))
    assert "tls_fingerprint" in caught.value.hint


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("security", Security)
def test_dovecot(
    through: Callable[..., Proxy], mailbox: Mailbox, name: str, security: Security
) -> None:
    """A real server is served alike through each proxy, however its connection is protected."""
    mailbox.add([b"Subject: one\r\n\r\nhello\r\n"])
    port = mailbox.tls_port if security is Security.TLS else mailbox.port
    place = Server("localhost", port, security, str(mailbox.ca_file))
    with Session.open(reached(place, through(name))) as session:
        session.sign_in(Credentials(mailbox.user, mailbox.password, cleartext=True))
        assert session.stat()[0] == 1
        session.quit()


@pytest.mark.parametrize("name", KINDS)
def test_user_and_password(through: Callable[..., Proxy], far: Server, name: str) -> None:
    """A proxy that wants a user lets in who has the password, and nobody else."""
    proxy = through(name, USER, "open-sesame")
    Session.open(reached(far, proxy)).quit()
    for user, password in ((USER, "other-word"), ("", "")):
        stranger = Proxy(proxy.kind, proxy.host, proxy.port, user, password)
        with pytest.raises(ServerUnavailable, match="does not let us in") as caught:
            Session.open(reached(far, stranger))
        assert f"the proxy {proxy.kind}://127.0.0.1:{proxy.port}" in caught.value.message
        assert "proxy_password_env" in caught.value.hint
        assert "other-word" not in caught.value.message + repr(stranger)


@pytest.mark.parametrize("name", KINDS)
def test_server_that_the_proxy_cannot_reach(through: Callable[..., Proxy], name: str) -> None:
    """A server that refuses, or whose name nobody knows, is named beside the proxy."""
    proxy = through(name)
    for host, port in (("127.0.0.1", 1), ("nobody.example.test", 995)):
        with pytest.raises(ServerUnavailable, match=f"cannot reach {host}:{port}") as caught:
            Session.open(Server(host, port, proxy=proxy))
        assert f"the proxy {proxy.kind}://" in caught.value.message


def test_port_that_the_proxy_does_not_allow(proxies: Proxies, far: Server) -> None:
    """A rule of the proxy against the server's port is told apart."""
    dante = Proxy("socks5", "127.0.0.1", proxies.dante(blocked=[far.port]))
    tinyproxy = Proxy("http", "127.0.0.1", proxies.tinyproxy(allowed=[443]))
    for proxy in (dante, tinyproxy):
        with pytest.raises(ServerUnavailable, match=f"does not allow {NAME}:{far.port}"):
            Session.open(reached(far, proxy))


def test_proxy_of_the_other_kind(proxies: Proxies, far: Server) -> None:
    """A proxy that is spoken to in the wrong way is found out."""
    limits = Limits(connect_timeout=0.5)
    for kind, port in (("http", proxies.microsocks()), ("socks5", proxies.tinyproxy())):
        with pytest.raises(ServerUnavailable, match=f"the proxy {kind}://127"):
            Session.open(reached(far, Proxy(kind, "127.0.0.1", port)), limits)


def test_proxy_that_is_not_there(far: Server) -> None:
    """A proxy that nobody runs is named, and not the server."""
    with pytest.raises(
        ServerUnavailable, match=r"the proxy http://127\.0\.0\.1:1 refuses"
    ) as caught:
        Session.open(reached(far, Proxy("http", "127.0.0.1", 1)))
    assert caught.value.hint == "check the proxy's host and port"
