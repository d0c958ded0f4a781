"""Has schedules played by several processes at once."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from infra.crash import shim
from infra.crash.schedule import Kind, Schedule, World, every

_MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name that nobody can guess
_ENOUGH = 512 << 20
_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a schedule; ``faults`` is what is wrong, in words, empty where nothing is."""

    schedule: Schedule
    faults: tuple[str, ...]

    def __str__(self) -> str:
        """All that is needed to look into it."""
        return f"{self.schedule}" + "".join(f"  wrong    {fault}\n" for fault in self.faults)


class Players:
    """Processes that play.

    Args:
        directory: where they may write; memory is fastest.
        count: how many of them.

    Raises:
        ServerMissing: the library cannot be compiled here.
    """

    def __init__(self, directory: Path, count: int) -> None:
        library = shim.build(directory)
        self._pool = ThreadPoolExecutor(count)
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._all = [_player(directory, library) for _ in range(count)]
        for player in self._all:
            self._free.put(player)

    def play(self, schedules: Iterable[Schedule]) -> Iterator[Played]:
        """What came of each schedule, as it is known; a world's schedules go to one player."""
        worlds: dict[str, list[Schedule]] = {}
        for each in schedules:
            worlds.setdefault(each.world.name, []).append(each)
        pieces = [
            mine[start : start + _AT_ONCE]
            for mine in worlds.values()
            for start in range(0, len(mine), _AT_ONCE)
        ]
        for future in as_completed([self._pool.submit(self._play, piece) for piece in pieces]):
            yield from future.result()

    def every_step(self, world: World, kind: Kind) -> Iterator[Played]:
        """What came of a world that was disturbed at every step."""
        counts: dict[str, int] = self._ask(world)
        yield from self.play(every(world, counts, kind))

    def _play(self, schedules: list[Schedule]) -> list[Played]:
        return [Played(each, tuple(self._ask(each))) for each in schedules]

    def _ask(self, order: Schedule | World) -> Any:
        player = self._free.get()
        try:
            assert player.stdin is not None
            assert player.stdout is not None
            pickle.dump(order, player.stdin)
            player.stdin.flush()
            return pickle.load(player.stdout)  # noqa: S301 - our child wrote it
        except (EOFError, OSError) as error:
            raise RuntimeError(f"a player ended while it played {order.name}") from error
        finally:
            self._free.put(player)

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(cancel_futures=True)
        for player in self._all:
            # Without further orders it ends.
            player.communicate()


@contextmanager
def players(count: int | None = None) -> Iterator[Players]:
    """Players in a directory of their own, one for each processor unless told otherwise.

    Raises:
        ServerMissing: the library cannot be compiled here.
    """
    with TemporaryDirectory(prefix="crash-", dir=memory()) as directory:
        made = Players(Path(directory), count or os.cpu_count() or 1)
        try:
            yield made
        finally:
            made.close()


def memory() -> Path | None:
    """A file system in memory with some room, or None for where temporary files are."""
    if not os.access(_MEMORY, os.W_OK):
        return None
    status = os.statvfs(_MEMORY)
    return _MEMORY if status.f_bavail * status.f_frsize >= _ENOUGH else None


def _player(directory: Path, library: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "infra.crash.player", str(directory)],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "LD_PRELOAD": str(library), "HOME": str(directory), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
