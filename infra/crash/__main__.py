"""Kills small runs at every step, and plays so many schedules, each of which follows from a seed.

What went wrong is printed by its name, and ends this with 1; --seed plays that seed alone.
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import product

from infra.crash.conductor import Played, Players, players
from infra.crash.schedule import Kind, draw, small_worlds
from infra.process import ServerMissing


def main() -> int:
    """Plays what the command line asks for; returns its exit code."""
    options = _options()
    began, played, wrong = time.monotonic(), 0, 0
    try:
        with players(options.jobs) as ready:
            for each in _chosen(ready, options):
                played += 1
                wrong += bool(each.faults)
                if each.faults or options.seed is not None:
                    sys.stdout.write(f"{each}\n")
    except ServerMissing as missing:
        sys.stderr.write(f"scripts/crash: {missing}\n")
        return 1
    seconds = time.monotonic() - began
    sys.stdout.write(f"{played} schedules in {seconds:.0f} s, {wrong} went wrong\n")
    return int(wrong > 0)


def _chosen(ready: Players, options: Namespace) -> Iterator[Played]:
    kinds = tuple(options.kind or Kind)
    if options.seed is not None:
        yield from ready.play([draw(options.seed, kinds)])
        return
    steps = () if options.random else product(small_worlds(), (Kind.KILLED, Kind.POWERLESS))
    for world, kind in steps:
        if kind in kinds:
            yield from ready.every_step(world, kind)
    seeds = range(options.first, options.first + options.count)
    yield from ready.play(draw(seed, kinds) for seed in seeds)


def _options() -> Namespace:
    parser = ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("--seed", type=int, help="plays this one alone, and shows it")
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    parser.add_argument("--kind", type=Kind, action="append", help="only this goes wrong")
    parser.add_argument("--random", action="store_true", help="only schedules of seeds")
    parser.add_argument("--jobs", type=int, help="processes; default: one a processor")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
