"""Making a TCP connection: each address of a name in turn, within one time for all of them.

An address that does not answer may take an equal share of the time that is left, no more: a host
with a dead IPv6 address is then reached at its IPv4 address. Looking a name up cannot be broken
off: a run that is to end leaves it behind.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from errno import EINPROGRESS
from ipaddress import IPv6Address, ip_address
from select import POLLOUT, poll
from time import monotonic

from archiver.errors import ServerUnavailable, SessionLost
from archiver.pop3.names import ascii_name
from archiver.stopping import Stop

_Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int | bytes, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to.

    Args:
        host: a name in letters of any script, or an address.
        port: its TCP port.
        words: what messages call it.
        refused: what to do where nobody listens there.
    """

    host: str
    port: int
    words: str
    refused: str


def dial(place: Place, seconds: float, stop: Stop) -> socket.socket:
    """Connects by IPv6 or IPv4; looking the name up comes on top of ``seconds``.

    Raises:
        Interrupted: the run should have ended by now.
        ServerUnavailable: no such host, no answer in time, or refused.
        SessionLost: it hung up while we connected.
        UsageError: no host can be called so.
    """
    found = stop.abandonable(lambda: _look_up(place))
    deadline = monotonic() + seconds
    error: OSError | None = None
    for at, one in enumerate(found):
        try:
            share = (deadline - monotonic()) / (len(found) - at)
            return _connect(one, max(share, 0.001), stop)
        except OSError as failure:
            error = failure
    assert error is not None
    raise _unreachable(place, seconds, found, error) from error


def is_local(connection: socket.socket) -> bool:
    """Whether the peer is this machine, by a loopback address (RFC 1122, RFC 4291)."""
    try:
        peer = connection.getpeername()[0]
    except OSError:
        return False  # it is gone
    address = ip_address(peer.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def addresses(host: str) -> tuple[str, ...]:
    """Where a host is, as this machine looks it up, in the order in which it would be tried.

    Raises:
        ServerUnavailable: nowhere.
        UsageError: no host can be called so.
    """
    found = _look_up(Place(host, 0, host, ""))
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _look_up(place: Place) -> Sequence[_Found]:
    try:
        return socket.getaddrinfo(ascii_name(place.host), place.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise ServerUnavailable(
            f"no address found for {place.host}",
            hint="check the spelling of the host, and the name service of this machine",
        ) from error


def _connect(found: _Found, seconds: float, stop: Stop) -> socket.socket:
    family, kind, protocol, _, address = found
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        error = connection.connect_ex(address)
        if error == EINPROGRESS:
            _await(connection, seconds, stop)
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        # One small command at a time must not wait for the answer to the one before.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _await(connection: socket.socket, seconds: float, stop: Stop) -> None:
    """Waits until it is decided whether a connection comes about."""
    decided = poll()
    decided.register(connection, POLLOUT)
    for part in stop.slices(seconds):
        if decided.poll(part * 1000):
            return
    raise TimeoutError


def _unreachable(
    place: Place, seconds: float, found: Sequence[_Found], error: OSError
) -> ServerUnavailable:
    addresses = [str(address[0]) for *_, address in found]
    at = f" ({', '.join(addresses)})" if addresses != [place.host] else ""
    if isinstance(error, TimeoutError):
        return ServerUnavailable(
            f"{place.words} did not answer in {seconds:g} s{at}",
            hint="check host and port, and whether a firewall stands between",
        )
    if isinstance(error, ConnectionRefusedError):
        return ServerUnavailable(f"{place.words} refuses connections{at}", hint=place.refused)
    said = error.strerror.lower() if error.strerror else str(error)
    if isinstance(error, ConnectionResetError):
        # It was there and hung up at once, as a busy server does: worth another try.
        return SessionLost(f"lost {place.words}: {said}")
    return ServerUnavailable(f"cannot connect to {place.words}: {said}{at}")
