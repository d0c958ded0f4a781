import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from infra.relay import Relay

WORDS = b"+OK and so on\r\n" * 1000


@pytest.fixture
def port() -> Iterator[int]:
    """Where somebody says much in answer to each octet, and leaves with whoever asks."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def serve(listening: socket.socket) -> None:
    """Answers until nobody is accepted any more."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb", buffering=0) as stream:
            try:
                while stream.read(1):
                    stream.write(WORDS)
            except OSError:
                continue


def ask(relay: Relay) -> bytes:
    """What comes in answer to two octets, until the end or until both answers are there."""
    with socket.create_connection(("127.0.0.1", relay.port), 10) as connection:
        connection.sendall(b"ab")
        heard = b""
        while len(heard) < 2 * len(WORDS) and (octets := connection.recv(1 << 16)):
            heard += octets
    return heard


def test_octets_pass_and_are_kept(port: int) -> None:
    """Both sides hear what the other said, and the recording has it."""
    with Relay(port) as relay:
        assert ask(relay) == WORDS * 2
        assert ask(relay) == WORDS * 2
    assert len(relay.recordings) == 2
    for recording in relay.recordings:
        assert (b"".join(recording.said), bytes(recording.heard)) == (b"ab", WORDS * 2)
        assert not recording.cut


@pytest.mark.parametrize("octets", [1, len(WORDS), 2 * len(WORDS) - 1])
def test_cut(port: int, octets: int) -> None:
    """A connection ends after so many octets, all of which arrive, and the next one does not."""
    with Relay(port, [octets]) as relay:
        assert ask(relay) == (WORDS * 2)[:octets]
        assert ask(relay) == WORDS * 2
    first, second = relay.recordings
    assert (bytes(first.heard), first.cut, second.cut) == ((WORDS * 2)[:octets], True, False)


def test_leaving_ends_connections(port: int) -> None:
    """Who is still connected when the relay ends hears no more."""
    with Relay(port) as relay:
        connection = socket.create_connection(("127.0.0.1", relay.port), 10)
        connection.sendall(b"a")
        heard = b""
        while len(heard) < len(WORDS):
            heard += connection.recv(1 << 16)
    with connection:
        assert connection.recv(1) == b""
