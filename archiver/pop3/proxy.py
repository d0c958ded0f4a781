"""Connecting through a proxy: SOCKS5 (RFC 1928, RFC 1929) or HTTP CONNECT (RFC 9110 section 9.3.6).

The one door of python-socks, which knows what to say to a proxy. Two things it leaves to us. A
POP3 server speaks first, so its greeting may stand right behind the proxy's answer, of which
python-socks takes whatever one read brings: here a read ends where the answer ends. And all of
it has one time, however slowly a proxy answers.
"""

import socket
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from python_socks import ProxyError, ProxyTimeoutError, ProxyType
from python_socks.sync import Proxy as Client

from archiver.errors import ServerUnavailable, UsageError
from archiver.pop3.confidences import REPEATED, Confidences
from archiver.pop3.dialing import Place, dial
from archiver.pop3.names import ascii_name
from archiver.pop3.server import Limits, Proxy
from archiver.pop3.transcript import readable
from archiver.stopping import Stop

_KINDS = {"socks5": ProxyType.SOCKS5, "http": ProxyType.HTTP}
_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD = 64 * 1024
_LONGEST_NAME = 255
_NOT_ALLOWED = {"socks5": (2,), "http": (403,)}
_NO_WAY = {"socks5": (1, 3, 4, 5, 6), "http": (404, 500, 502, 503, 504)}
# tinyproxy says 401 to a wrong password.
_AUTHENTICATE = (401, 407)


def connect(proxy: Proxy, host: str, port: int, limits: Limits) -> socket.socket:
    """A connection to ``host`` that the proxy makes; it also looks the name up.

    Args:
        proxy: what connects for us.
        host: a name in letters of any script, or an address.
        port: its TCP port.
        limits: the seconds for all of it, and what breaks it off.

    Raises:
        Interrupted: the run should have ended by now.
        ServerUnavailable: the proxy cannot be reached, does not let us in, or cannot reach the
            server.
        SessionLost: the proxy hung up while we connected to it.
        UsageError: a host cannot be called so, or the proxy's user or password cannot be sent.
    """
    _require_sendable(proxy)
    seconds = limits.connect_timeout
    client = Client(
        _KINDS[proxy.kind],
        proxy.host,
        proxy.port,
        username=proxy.user or None,
        password=proxy.password if proxy.user else None,
        rdns=True,
        forward=_Way(proxy, monotonic() + seconds, limits.stop),
    )
    name = ascii_name(host)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        connection = client.connect(name, port, timeout=seconds)
    except (ProxyTimeoutError, TimeoutError) as error:
        raise ServerUnavailable(
            f"{_words(proxy)} did not connect us to {target} in {seconds:g} s",
            hint="perhaps the proxy cannot reach the server",
        ) from error
    except ProxyError as error:
        # What it has to say is told, and may be what it must not.
        raise _refused(proxy, target, error) from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise ServerUnavailable(
            f"{_words(proxy)} failed: {_plain(proxy, said).lower()}", hint=_other_kind(proxy)
        ) from error
    return socket.socket(fileno=connection.detach())


class _Way(Client):
    """How python-socks reaches the proxy itself: as we reach any server."""

    def __init__(self, proxy: Proxy, deadline: float, stop: Stop) -> None:
        super().__init__(_KINDS[proxy.kind], proxy.host, proxy.port)
        self._proxy = proxy
        self._deadline = deadline
        self._stop = stop

    def connect(
        self, dest_host: str, dest_port: int, timeout: float | None = None, **_: Any
    ) -> socket.socket:
        place = Place(dest_host, dest_port, _words(self._proxy), "check the proxy's host and port")
        left = max(self._deadline - monotonic(), 0.001)
        descriptor = dial(place, left, self._stop).detach()
        whole_heads = self._proxy.kind == "http"
        return _Answers(descriptor, self._deadline, self._stop, whole_heads=whole_heads)


class _Answers(socket.socket):
    """A connection to a proxy that gives its answers, and nothing of what stands behind them."""

    def __init__(self, fileno: int, deadline: float, stop: Stop, *, whole_heads: bool) -> None:
        super().__init__(fileno=fileno)
        self._deadline = deadline
        self._stop = stop
        self._whole_heads = whole_heads

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if not self._whole_heads:
            return self._within(lambda: super(_Answers, self).recv(bufsize, flags))
        head = b""
        while _HEAD_END not in head:
            if len(head) > _LONGEST_HEAD:
                raise ProxyError("its answer has no end")
            # Taken only up to where the head ends, which may be within what was there before.
            there = self._within(lambda: super(_Answers, self).recv(bufsize, socket.MSG_PEEK))
            if not there:
                return head
            end = (head + there).find(_HEAD_END)
            taken = len(there) if end < 0 else end + len(_HEAD_END) - len(head)
            head += super().recv(taken)
        return head

    def _within(self, read: Callable[[], bytes]) -> bytes:
        for part in self._stop.slices(self._deadline - monotonic()):
            self.settimeout(part)
            with suppress(TimeoutError):
                return read()
        raise TimeoutError


def _require_sendable(proxy: Proxy) -> None:
    both = (proxy.user, proxy.password)
    if proxy.kind == "socks5":
        if not all(word.isascii() and len(word) <= _LONGEST_NAME for word in both):
            raise UsageError(
                f"{_words(proxy)} takes a user and a password of at most 255 ASCII characters"
            )
        return
    try:
        ":".join(both).encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError(
            f"the user or the password of {_words(proxy)} has a character beyond ISO 8859-1"
        ) from None
    if ":" in proxy.user:
        raise UsageError(f"the user of {_words(proxy)} has a colon, which ends it (RFC 7617)")


def _refused(proxy: Proxy, target: str, error: ProxyError) -> ServerUnavailable:
    said, code = _plain(proxy, str(error)), error.error_code
    if code in _AUTHENTICATE or "authentication" in said.lower():
        return ServerUnavailable(
            f"{_words(proxy)} does not let us in: {said}",
            hint="check the user in its URL, and proxy_password_env, _file or _command",
        )
    if code in _NOT_ALLOWED[proxy.kind]:
        return ServerUnavailable(
            f"{_words(proxy)} does not allow {target}: {said}",
            hint="its operator decides which hosts and ports it connects to",
        )
    if code in _NO_WAY[proxy.kind]:
        return ServerUnavailable(
            f"{_words(proxy)} cannot reach {target}: {said}",
            hint="check host and port of the server, as the proxy sees them",
        )
    return ServerUnavailable(f"{_words(proxy)} failed: {said}", hint=_other_kind(proxy))


def _words(proxy: Proxy) -> str:
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    return f"the proxy {proxy.kind}://{host}:{proxy.port}"


def _other_kind(proxy: Proxy) -> str:
    other = "http" if proxy.kind == "socks5" else "socks5"
    return f"check that it is a proxy of this kind, and not of {other}://"


def _plain(proxy: Proxy, words: str) -> str:
    octets = words.encode("utf-8", "surrogateescape")
    login = f"{proxy.user}:{proxy.password}".encode("latin-1")
    confidences = Confidences(proxy.user)
    confidences.keep(proxy.password.encode(), proxy.password.encode("latin-1"), b64encode(login))
    if confidences.repeated_in(octets.decode("utf-8", "replace")):
        return REPEATED
    return readable(octets)[:200]
