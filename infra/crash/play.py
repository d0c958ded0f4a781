"""Plays a schedule: once undisturbed, once as it says; and says what is wrong in the end."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import typer.main

import archiver.cli
from infra.crash import shim, verdict, witness
from infra.crash.child import forked
from infra.crash.inprocess import Surroundings, sized, surrounded
from infra.crash.letters import Letter
from infra.crash.onlooker import Report
from infra.crash.postoffice import LOGIN, Order, PostOffice
from infra.crash.power import STATE, STORE, Power
from infra.crash.schedule import Kind, Pause, Schedule, Trouble, World, draw
from infra.crash.shim import NO_PLAN, Action, Plan, Shim
from infra.crash.verdict import Allowed, Ending
from infra.faulty_store import Fault

_BEGIN = 1_790_000_000.0
_PASSWORD = "CRASH_PASSWORD"  # noqa: S105 - a variable's name
_KILLED = -9
_SETTLING_ROT = 4
_ROT = {3, 7}
_DECEIVED = {3}
_get_command = typer.main.get_command
_STATE = ("ledger", "index", "spool", "else")


@dataclass(frozen=True, slots=True)
class Measure:
    """How often everything was counted in a run, and commands and octets in each session of it."""

    counts: Mapping[str, int]
    commands: tuple[int, ...]
    octets: tuple[int, ...]


_CODES: Mapping[Kind, frozenset[int]] = {
    Kind.KILLED: frozenset({0, _KILLED}),
    Kind.POWERLESS: frozenset({0, _KILLED}),
    Kind.STOPPED: frozenset({0, 130}),
    Kind.FULL: frozenset({0, 3, 6}),
    Kind.FAILING: frozenset({0, 3, 6}),
    Kind.STORE: frozenset({0, 3, 6, 7}),
    Kind.DROPPED: frozenset({0, 3, 5}),
    Kind.WORKER: frozenset({0, 3, 6, 7}),
}
"""How a run may end that was disturbed."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a process has that plays: the preloaded library, and the surroundings of its forks."""

    library: Shim
    by: Surroundings


@dataclass(frozen=True, slots=True)
class Calm:
    """A world that was played undisturbed: its yardstick.

    Args:
        measures: how often everything was counted in each run.
        ending: what is left.
        faults: what is wrong already, in words.
    """

    measures: list[Measure]
    ending: Ending
    faults: list[str]


def calm(world: World, base: Path, means: Means) -> Calm:
    """Plays a world undisturbed, in an empty directory."""
    stage = _Stage(world, base, means)
    with stage.opened():
        for pause in world.pauses:
            stage.run()
            stage.between(pause)
        stage.settle(_settling(world))
    stage.judge(Allowed(left=not world.deletes))
    return Calm(stage.measures, stage.ending, [f"undisturbed: {each}" for each in stage.faults])


def play(schedule: Schedule, yardstick: Calm, base: Path, means: Means) -> list[str]:
    """Plays a schedule in an empty directory.

    Returns:
        what is wrong, in words; nothing if nothing is.
    """
    world = schedule.world
    stage = _Stage(world, base, means)
    with stage.opened():
        for trouble, measure, pause in zip_longest(
            schedule.troubles, yardstick.measures[: len(world.pauses)], world.pauses
        ):
            if trouble is None:
                stage.run()
            else:
                stage.disturbed_run(trouble, measure)
            stage.between(pause)
        stage.settle(_SETTLING_ROT if schedule.is_rotten else _settling(world))
    kinds = {trouble.kind for trouble in schedule.troubles}
    stage.judge(Allowed(schedule.is_rotten, Kind.WORKER in kinds, left=not world.deletes))
    if not stage.faults and stage.ended_well:
        stage.faults += verdict.different(
            yardstick.ending, stage.ending, stages=not world.retires, by_octets=world.deletes
        )
    return stage.faults


def _settling(world: World) -> int:
    """How many undisturbed runs it may take until another one changes nothing."""
    # What was fetched is archived by the next run, and seen to have left by the one after it.
    removed = world.server.keys() & {"expire", "hides"}
    leaves = bool(removed) or any(pause.withdrawn for pause in world.pauses)
    return 1 + leaves + world.deceives


@contextmanager
def ready(base: Path) -> Iterator[Means]:
    """Makes this process one that plays, in a directory that is empty.

    It runs the command once itself, so that forks find imported and cached what they need.
    """
    means = Means(Shim(), Surroundings(_BEGIN))
    power = Power(base / "root", base / "shadow")
    world = draw(0).world
    with surrounded(means.by):
        with (
            PostOffice(world.letters, {}, power) as office,
            redirect_stdout(StringIO()),
            redirect_stderr(StringIO()),
            suppress(SystemExit),
        ):
            command(world, power.root, office.port)
        yield means


def command(world: World, root: Path, port: int) -> None:
    """Runs what a person would type for a mailbox on this port, with its archive below a root.

    Raises:
        SystemExit: always, with the exit code.
    """
    os.environ[_PASSWORD] = LOGIN[1]
    sys.argv = ["archiver", "run", "--json", "--password-env", _PASSWORD]
    sys.argv += ["--server", f"pop3+plain://{LOGIN[0]}@127.0.0.1:{port}"]
    sys.argv += ["--store", str(root / STORE), "--state", str(root / STATE)]
    sys.argv += ["--workers", str(world.workers)]
    if world.spool is not None:
        sys.argv += ["--spool-limit", str(world.spool)]
    if world.deletes:
        sys.argv += ["--delete", "verified", "--yes-delete-all"]
    with patch.object(typer.main, "get_command", _command_line):
        archiver.cli.main()


@cache
def _command_line(app: typer.Typer) -> Any:
    """Making the command line takes longer than a run of a small mailbox."""
    return _get_command(app)


class _Stage:
    """One playing of a world; ``faults`` is what went wrong so far."""

    office: PostOffice
    ending: Ending

    def __init__(self, world: World, base: Path, means: Means) -> None:
        self.world = world
        self.base = base
        self.means = means
        self.power = Power(base / "root", base / "shadow")
        self.faults: list[str] = []
        self.measures: list[Measure] = []
        self.now = _BEGIN
        self.tolerant = False
        self.ended_well = False
        self.seen = Report()
        self.arrived = list(world.letters)
        self.withdrawn: list[Letter] = []

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The server answers meanwhile."""
        with PostOffice(self.world.letters, self.world.server, self.power) as self.office:
            yield

    def between(self, pause: Pause) -> None:
        """What happens before the next run."""
        gone = tuple(self.arrived[place] for place in pause.withdrawn)
        self.withdrawn += gone
        self.arrived += pause.arrive
        self.seen = self.office.order(Order(arrive=pause.arrive, withdraw=gone))
        self.now += pause.hours * 3600

    def disturbed_run(self, trouble: Trouble, measure: Measure) -> None:
        """A run that something happens to, if there is anything it can happen to."""
        if trouble.kind is Kind.DROPPED:
            self.office.order(_dropping(trouble, measure))
            self.run(codes=_CODES[Kind.DROPPED])
            return
        count = measure.counts[trouble.counted]
        at = 1 + int(trouble.share * count)
        if count == 0:
            self.run()
        elif trouble.kind is Kind.STORE:
            self.tolerant = self.tolerant or trouble.how == "rotten"
            self.run(store_faults={at: Fault(trouble.how)}, codes=_CODES[Kind.STORE])
        else:
            code = self.run(_planned(trouble, at), codes=_CODES[trouble.kind])
            if code == _KILLED and trouble.kind is Kind.POWERLESS:
                luck = None if trouble.how == "strict" else Random(trouble.how)  # noqa: S311
                self.power.cut(luck)

    def run(
        self,
        plan: Plan = NO_PLAN,
        store_faults: Mapping[int, Fault] | None = None,
        codes: frozenset[int] = frozenset({0}),
    ) -> int:
        """One run of the command, which may end with one of these codes; says how it did."""
        world = self.world
        by, library = self.means.by, self.means.library

        def work() -> None:
            # This is the fork's own copy of them.
            by.began, by.waited, by.calls = self.now, 0.0, []
            by.step = lambda name, after: library.step(name, after=after)
            by.store_faults = store_faults or {}
            by.batch, by.retiring, by.pages = world.batch, world.retiring, world.pages
            with sized(by):
                library.watch(self.power.root, self.power.shadow, plan)
                command(world, self.power.root, self.office.port)

        number = len(self.measures) + 1
        out, err = (self.base / f"run{number}.{name}" for name in ("out", "err"))
        code = forked(work, out, err)
        self._measure()
        self.now += 60
        self.ended_well = code == 0
        if code not in codes | self._also():
            said = err.read_text(errors="replace")[-3000:]
            self.faults.append(f"run {number} ended with {code}:\n{said}")
        for line in out.read_text().splitlines() if code != _KILLED else ():
            self.faults += [f"run {number}: {each}" for each in verdict.sums(json.loads(line))]
        return code

    def _also(self) -> set[int]:
        """How a run may end besides, whatever disturbed it."""
        return (_ROT if self.tolerant else set()) | (_DECEIVED if self.world.deceives else set())

    def _measure(self) -> None:
        self.seen = self.office.order(Order())
        counts = shim.counts(self.power.shadow)
        self.measures.append(Measure(counts, self.seen.commands, self.seen.octets))

    def settle(self, runs: int) -> None:
        """Undisturbed runs, after which another one changes nothing."""
        for _ in range(runs):
            self.run()
        before = self._contents()
        self.run()
        after = self._contents()
        for name, content in before.items():
            if after[name] != content:
                self.faults.append(f"an idle run changed {name}: {_changes(content, after[name])}")
        self.ending = Ending.of(self.power.root, self.seen, self.arrived, self.withdrawn)

    def judge(self, allowed: Allowed) -> None:
        """Looks at what is left."""
        self.faults += verdict.wrong(self.ending, allowed, settled=self.ended_well)

    def _contents(self) -> dict[str, Any]:
        ledger = witness.contents(self.power.root / STATE / "ledger.db")
        return {**ledger, "store": sorted(witness.look(self.power.root / STORE).objects.items())}


def _planned(trouble: Trouble, at: int) -> Plan:
    action, error = Action.KILL, 0
    disk: tuple[str, ...] = ()
    if trouble.kind is Kind.STOPPED:
        action = Action.STOP
    elif trouble.kind is Kind.WORKER:
        action = Action.FAIL
    elif trouble.kind is Kind.FAILING:
        action, error = Action.FAIL, int(trouble.how)
    elif trouble.kind is Kind.FULL:
        action, error = Action.FULL, int(trouble.how)
        disk = ("store",) if trouble.counted.startswith("store") else _STATE
    # An error is told instead of the call.
    after = trouble.after and trouble.kind is not Kind.FAILING
    return Plan(trouble.counted, at, after, action, error, disk)


def _dropping(trouble: Trouble, measure: Measure) -> Order:
    """Cuts a session of a run, or also the one after it, sooner."""
    by_command = trouble.counted == "command"
    sessions = measure.commands if by_command else measure.octets
    at, number = 1 + int(trouble.share * sum(sessions)), 0
    while at > sessions[number]:
        at, number = at - sessions[number], number + 1
    cuts = (*(None,) * number, at, *((1 + at // 2,) if trouble.after else ()))
    reset = trouble.how == "reset"
    return Order(drop_at=cuts, reset=reset) if by_command else Order(drop_after=cuts, reset=reset)


def _changes(before: list[Any], after: list[Any]) -> str:
    gone = [each for each in before if each not in after]
    new = [each for each in after if each not in before]
    return f"{gone[:3]} became {new[:3]}"
