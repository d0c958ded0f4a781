"""A relay that keeps what a client and a server on loopback say, and can cut them off.

The octets pass as they come. What each side said is kept for every connection, so that a test can
read with its own eyes what was on the wire in the very session that it is about.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self

_READ_OCTETS = 64 * 1024


@dataclass(slots=True)
class Recording:
    """One connection: ``said`` by the client as pieces that arrived at once, ``heard`` by it.

    ``cut`` says whether the relay broke it off.
    """

    said: list[bytes] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    cut: bool = False


def acknowledge_at_once(connection: socket.socket) -> None:
    """Spares a server that writes its next answer in pieces the wait between them."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Relay:
    """A port of 127.0.0.1 behind which another one answers; a context manager.

    Args:
        port: where the server listens.
        cuts: after how many octets from the server each connection is cut off, the first one
            first; those beyond are not.
        halts: the same by octets from the client, none of which beyond these reaches the server; 0
            for a connection that is not cut off by them.

    ``recordings`` are the connections so far; what passes is in them before it is passed on.
    """

    def __init__(self, port: int, cuts: Iterable[int] = (), halts: Iterable[int] = ()) -> None:
        """Remembers what to relay; nothing listens yet."""
        self._target = port
        self._halts: Iterator[int] = iter(halts)
        self._cuts: Iterator[int] = iter(cuts)
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0
        self.recordings: list[Recording] = []

    def __enter__(self) -> Self:
        """Listens, and relays from now on."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every connection and stops listening."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0, limit=_READ_OCTETS)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _begin(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._relay(near, back))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _relay(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        recording = Recording()
        self.recordings.append(recording)
        left, halt = next(self._cuts, None), next(self._halts, 0)
        with contextlib.ExitStack() as stack:
            stack.callback(back.transport.abort)
            far, forth = await asyncio.open_connection(
                "127.0.0.1", self._target, limit=_READ_OCTETS
            )
            stack.callback(forth.transport.abort)
            # What was recorded is then with the kernel, and arrives whatever happens to us.
            back.transport.set_write_buffer_limits(0)
            asking = asyncio.create_task(_ask(near, forth, recording, halt))
            stack.callback(asking.cancel)
            with contextlib.suppress(ConnectionError):
                await _answer(far, back, recording, left)
            if recording.cut:
                forth.transport.abort()
                back.write_eof()
                # Commands that nobody read would cost the client octets that are on their way.
                await asking


async def _ask(
    near: asyncio.StreamReader, forth: asyncio.StreamWriter, kept: Recording, halt: int
) -> None:
    with contextlib.suppress(ConnectionError):
        while octets := await near.read(min(halt, _READ_OCTETS) or _READ_OCTETS):
            kept.said.append(octets)
            if not kept.cut:
                forth.write(octets)
                await forth.drain()
                acknowledge_at_once(forth.get_extra_info("socket"))
            if halt:
                halt -= len(octets)
                if not halt:
                    # The server ends its side, and what it still says arrives.
                    break
    with contextlib.suppress(OSError):
        forth.write_eof()


async def _answer(
    far: asyncio.StreamReader, back: asyncio.StreamWriter, kept: Recording, left: int | None
) -> None:
    while octets := await far.read(_READ_OCTETS if left is None else min(left, _READ_OCTETS)):
        kept.heard += octets
        back.write(octets)
        await back.drain()
        if left is not None:
            left -= len(octets)
            if not left:
                kept.cut = True
                return
