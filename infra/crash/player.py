"""A process that plays schedules: it has everything imported, and forks for each run.

It reads pickled orders: a schedule, which it answers with what is wrong, or a world, which it
answers with how often everything was counted in its first run, undisturbed.
"""

import gc
import pickle
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.crash.play import Calm, Means, calm, play, ready
from infra.crash.schedule import Schedule, World

_REMEMBERED = 100


def main() -> None:
    """Answers until there are no more orders."""
    directory = Path(sys.argv[1])
    with _place(directory) as base, ready(base) as means:
        # What is here already is never looked at again, or every fork would copy it.
        gc.freeze()
        player = _Player(directory, means)
        while True:
            try:
                order = pickle.load(sys.stdin.buffer)  # noqa: S301 - our parent wrote it
            except EOFError:
                return
            answer = player.measure(order) if isinstance(order, World) else player.play(order)
            pickle.dump(answer, sys.stdout.buffer)
            sys.stdout.buffer.flush()


@contextmanager
def _place(directory: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=directory) as place:
        yield Path(place)


class _Player:
    """Plays below a directory, and remembers how worlds were when they were undisturbed."""

    def __init__(self, directory: Path, means: Means) -> None:
        self._directory = directory
        self._means = means
        self._known: dict[str, Calm] = {}

    def play(self, schedule: Schedule) -> list[str]:
        """What is wrong with a schedule."""
        try:
            yardstick = self._calm(schedule.world)
            if yardstick.faults:
                return yardstick.faults
            with _place(self._directory) as base:
                return play(schedule, yardstick, base, self._means)
        except Exception:  # noqa: BLE001 - a schedule that cannot be played is one that failed
            return [traceback.format_exc()]

    def measure(self, world: World) -> dict[str, int]:
        """What is counted in the first run of a world."""
        return dict(self._calm(world).measures[0].counts)

    def _calm(self, world: World) -> Calm:
        if world.name not in self._known:
            if len(self._known) == _REMEMBERED:
                self._known.clear()
            with _place(self._directory) as base:
                self._known[world.name] = calm(world, base, self._means)
        return self._known[world.name]


if __name__ == "__main__":
    main()
