"""Runs that are disturbed at any point, run again, and end as if they had not been.

Each schedule follows from its seed; ``scripts/crash --kind KIND --seed SEED`` plays one again, and
``scripts/crash`` plays many more.
"""

from collections.abc import Iterable

import pytest

from infra.crash.conductor import Played, Players
from infra.crash.schedule import Kind, draw, small_worlds

# On two idle processors all of it takes a minute; on a machine that does other work much longer.
pytestmark = pytest.mark.timeout(1800)

SEEDS = {
    Kind.KILLED: 16,
    Kind.POWERLESS: 24,
    Kind.STOPPED: 8,
    Kind.FULL: 12,
    Kind.FAILING: 12,
    Kind.STORE: 16,
    Kind.DROPPED: 16,
    Kind.WORKER: 8,
}


@pytest.mark.parametrize("kind", Kind)
def test_ends_as_if_undisturbed(kind: Kind, crash_players: Players) -> None:
    """No disturbance loses or doubles a message, or lets one leave the server too soon."""
    schedules = [draw(seed, (kind,)) for seed in range(SEEDS[kind])]
    check(crash_players.play(schedules), at_least=len(schedules))


SMALL = {world.name: world for world in small_worlds()}
EVERY = [("deleting", Kind.KILLED), ("deleting", Kind.POWERLESS), ("removing", Kind.KILLED)]


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_at_every_step(name: str, kind: Kind, crash_players: Players) -> None:
    """So it is at each commit, each call to the store, each line to the server, each QUIT."""
    check(crash_players.every_step(SMALL[name], kind), at_least=50)


def check(played: Iterable[Played], *, at_least: int) -> None:
    """So many schedules were played and nothing went wrong."""
    all_of_it = list(played)
    wrong = [each for each in all_of_it if each.faults]
    assert not wrong, "\n".join(map(str, wrong[:3]))
    assert len(all_of_it) >= at_least
