"""A relay that makes a server on loopback seem far away: octets arrive half a round trip later.

What one side sends is read at once and passed on, in order, when its time has come, so that the
rate is not limited and only the distance is felt. Connecting itself costs nothing extra.
"""

import asyncio
import contextlib
from threading import Event, Thread
from typing import Self

_READ_OCTETS = 256 * 1024


class Distance:
    """A port of 127.0.0.1 behind which another one answers after a delay; a context manager.

    Args:
        port: where the server listens.
        round_trip: seconds from a command to its answer, at least.
    """

    def __init__(self, port: int, round_trip: float) -> None:
        """Remembers what to relay; nothing listens yet."""
        self._target = port
        self._half = round_trip / 2
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.port = 0

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
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0, limit=_READ_OCTETS)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _relay(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", self._target, limit=_READ_OCTETS)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(self._pass(near, forth), self._pass(far, back))
        for writer in (forth, back):
            writer.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(source, waiting))
        try:
            while True:
                due, octets = await waiting.get()
                await asyncio.sleep(due - self._loop.time())
                if not octets:
                    sink.write_eof()
                    return
                sink.write(octets)
                await sink.drain()
        finally:
            reading.cancel()

    async def _read(
        self, source: asyncio.StreamReader, waiting: "asyncio.Queue[tuple[float, bytes]]"
    ) -> None:
        octets = b"begun"
        while octets:
            octets = await source.read(_READ_OCTETS)
            waiting.put_nowait((self._loop.time() + self._half, octets))
