"""What follows from a seed: a mailbox, settings, and runs with what goes wrong in each."""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import product, zip_longest
from random import Random
from typing import Any

from infra.crash.letters import Letter, Letters, alike
from infra.crash.shim import KINDS, PLACES, STEPS


class Kind(StrEnum):
    """What goes wrong in a run.

    ``KILLED``: SIGKILL at a step. ``POWERLESS``: the same, and what was not durable is gone.
    ``STOPPED``: SIGTERM at a step. ``FULL``: a disk is full from a write on. ``FAILING``: one call
    to the file system fails. ``STORE``: one call to the store goes wrong. ``DROPPED``: the server
    cuts its sessions. ``WORKER``: a worker dies of a task.
    """

    KILLED = "killed"
    POWERLESS = "powerless"
    STOPPED = "stopped"
    FULL = "full"
    FAILING = "failing"
    STORE = "store"
    DROPPED = "dropped"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One disturbance.

    Args:
        kind: what it is.
        counted: what is counted up to it, one of ``shim.COUNTED``; ``command`` or ``octet`` where
            the server drops the session.
        share: how far through all of those that an undisturbed run counts, from 0 to 1.
        after: whether it comes after the call and not before.
        how: of a cut ``strict``, or a number that says what survives by luck; of a store what
            happens to the call; of a server whether it resets.
    """

    kind: Kind
    counted: str
    share: float
    after: bool = False
    how: str = ""

    def __str__(self) -> str:
        """As a line of a schedule."""
        side = "after" if self.after else "before"
        place = f"{side} {self.counted} at {self.share:.3f}"
        return f"{self.kind} {place} {self.how}".rstrip()


@dataclass(frozen=True, slots=True)
class Pause:
    """What happens between a run and the next one.

    Args:
        hours: how much later the next one begins.
        arrive: letters that come meanwhile.
        withdrawn: the places, among all letters so far, of those that another client deletes.
    """

    hours: float
    arrive: tuple[Letter, ...] = ()
    withdrawn: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """A mailbox and how it is archived, whatever goes wrong.

    Args:
        name: what it is called; no other one is.
        letters: what is in the mailbox at first.
        pauses: one behind each run.
        server: the fields of ``infra.faulty_pop3.Faults``.
        deletes: whether runs delete what is archived.
        workers: how many archive side by side.
        batch: after how many messages a batch is closed.
        retiring: how many messages a session may take where QUIT removes them.
        pages: after how many pages the ledger's log is written back.
        spool: room in the spool, in octets; None for plenty.
    """

    name: str
    letters: tuple[Letter, ...]
    pauses: tuple[Pause, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    deletes: bool = False
    workers: int = 1
    batch: int = 3
    retiring: int = 300
    pages: int = 1000
    spool: int | None = None

    @property
    def retires(self) -> bool:
        """Whether it depends on the sessions if we or the server removed what is not there."""
        return "hides" in self.server or (self.deletes and "expire" in self.server)

    @property
    def deceives(self) -> bool:
        """Whether a letter may pass for another one by its header until it is to be deleted.

        Then its octets tell, it stays, the run ends with 3, and the next one fetches it.
        """
        letters = (*self.letters, *(each for pause in self.pauses for each in pause.arrive))
        return self.deletes and bool(alike(letters))

    def __str__(self) -> str:
        """For a person who looks for what went wrong."""
        return (
            f"  mailbox  {', '.join(map(str, self.letters))}\n"
            f"  server   {dict(self.server)}\n"
            f"  settings {'deletes' if self.deletes else 'keeps'}, {self.workers} workers, batches"
            f" of {self.batch}, sessions of {self.retiring}, log of {self.pages} pages,"
            f" spool {self.spool}\n"
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that is needed to play it: a world, and what disturbs each of its first runs."""

    name: str
    world: World
    troubles: tuple[Trouble, ...]

    @property
    def is_rotten(self) -> bool:
        """Whether the store keeps other octets than it was given."""
        return any(trouble.how == "rotten" for trouble in self.troubles)

    def __str__(self) -> str:
        """For a person who looks for what went wrong."""
        lines = [f"{self.name}\n{self.world}"]
        runs = zip_longest(self.troubles, self.world.pauses)
        for number, (trouble, pause) in enumerate(runs, start=1):
            lines.append(f"  run {number}    {trouble or 'undisturbed'}\n")
            new = ", ".join(map(str, pause.arrive)) or "nothing"
            lines.append(f"  then     {pause.hours:g} h; {new} comes, {pause.withdrawn} go\n")
        return "".join(lines)


VARIANTS = 4
"""How many schedules have one world, which is played undisturbed but once."""

_FILE_KINDS = tuple(f"{place} {kind}" for place in PLACES for kind in KINDS)
_LIKELY = ("ledger write", "ledger sync", "spool sync", "spool name", "store sync", "store name")
_SEEN = ("store", "line", "quit")
_SERVERS: tuple[tuple[float, dict[str, Any]], ...] = (
    (10, {}),
    (2, {"pipelining": False}),
    (2, {"without": frozenset({"UIDL"})}),
    (1, {"without": frozenset({"UIDL", "TOP"})}),
    (1, {"without": frozenset({"TOP"})}),
    (3, {"expire": 0}),
    (1, {"hides": True}),
    (1, {"login_delay": 0}),
)


def draw(seed: int, kinds: tuple[Kind, ...] = tuple(Kind)) -> Schedule:
    """The schedule of a seed; ``VARIANTS`` seeds in a row have one world.

    Args:
        seed: any number.
        kinds: what may go wrong.
    """
    world = _world(f"world {seed // VARIANTS}")
    luck = Random(f"troubles {seed}")  # noqa: S311 - it is no secret
    troubles = (_trouble(luck, luck.choice(kinds), late=world.deletes) for _ in world.pauses)
    return Schedule(f"seed {seed}", world, tuple(troubles))


def _world(name: str) -> World:
    luck = Random(name)  # noqa: S311 - it is no secret
    letters = Letters(luck)
    reuses = luck.choice((0.0, 0.0, 0.0, 0.25))
    server = luck.choices([each[1] for each in _SERVERS], [each[0] for each in _SERVERS])[0]
    first = tuple(letters.draw(reuses=reuses) for _ in range(luck.choice((1, 3, 6, 10, 15))))
    number, pauses = len(first), []
    for _ in range(luck.choice((1, 1, 2, 3))):
        pauses.append(_pause(luck, letters, number, reuses))
        number += len(pauses[-1].arrive)
    return World(
        name=name,
        letters=first,
        pauses=tuple(pauses),
        server=dict(server),
        deletes=luck.random() < 0.6,
        workers=luck.choice((1, 1, 2)),
        batch=luck.choice((1, 2, 3, 500)),
        retiring=luck.choice((2, 5, 300)),
        pages=luck.choice((1, 4, 30, 1000)),
        spool=luck.choice((None, None, None, 20_000)),
    )


def _pause(luck: Random, letters: Letters, number: int, reuses: float) -> Pause:
    arrive = luck.choice((0, 0, 1, 3))
    gone = luck.sample(range(number), luck.choice((0, 0, 0, 1, min(3, number))))
    return Pause(
        hours=luck.choice((0.0, 0.0, 1.0, 30.0, 800.0)),
        arrive=tuple(letters.draw(reuses=reuses) for _ in range(arrive)),
        withdrawn=tuple(gone),
    )


def _trouble(luck: Random, kind: Kind, *, late: bool) -> Trouble:
    after, how, share = luck.random() < 0.5, "", luck.random()
    if late and luck.random() < 0.4:
        # What is deleted is deleted in the end.
        share = 1 - 0.3 * share
    match kind:
        case Kind.KILLED | Kind.POWERLESS:
            counted = luck.choice((*STEPS, *STEPS, *STEPS, *_LIKELY, *_FILE_KINDS))
            if kind is Kind.POWERLESS:
                how = luck.choice(("strict", str(luck.randrange(1_000_000))))
        case Kind.STOPPED:
            counted = luck.choice((*STEPS, *_LIKELY))
        case Kind.FULL:
            counted = luck.choice([each for each in _FILE_KINDS if "write" in each])
            how = str(errno.ENOSPC)
        case Kind.FAILING:
            counted, how = luck.choice(_FILE_KINDS), str(luck.choice((errno.EIO, errno.ENOSPC)))
        case Kind.STORE:
            counted, how = "store", luck.choice(("before", "after", "lost", "rotten"))
        case Kind.DROPPED:
            counted, how = luck.choice(("command", "octet")), luck.choice(("", "reset"))
        case Kind.WORKER:
            counted = "task"
    return Trouble(kind, counted, share, after, how)


def small_worlds() -> list[World]:
    """Worlds that are small enough to be killed at every step.

    Mail that we delete, that the server removes, and that has no UIDL; each has two equal letters,
    two that share parts, and another one that comes later.
    """
    letters = Letters(Random(250))  # noqa: S311 - it is no secret
    first, second, last = letters.draw(), letters.draw(), letters.draw()
    mailbox = (first, second, Letter("equal", first.octets))
    world = World("deleting", mailbox, (Pause(1.0, (last,)),), batch=2)
    return [
        replace(world, deletes=True),
        replace(world, name="removing", server={"expire": 0}, retiring=2),
        replace(world, name="nameless", server={"without": frozenset({"UIDL"})}, deletes=True),
    ]


def every(world: World, counts: Mapping[str, int], kind: Kind) -> Iterator[Schedule]:
    """A schedule for each step of a world's first run.

    Args:
        world: a small one.
        counts: how often what is counted in its first run.
        kind: what happens there. ``KILLED``: at each step that Python counts, and also behind those
            that others see. ``POWERLESS``: before each call that makes something durable, since
            what came behind the one before it does not survive.
    """
    syncs = [f"{place} sync" for place in PLACES if place != "index"]
    for counted in STEPS if kind is Kind.KILLED else syncs:
        sides = (False, True) if counted in _SEEN else (False,)
        for number, after in product(range(counts[counted]), sides):
            share = (number + 0.5) / counts[counted]
            how = "strict" if kind is Kind.POWERLESS else ""
            side = "after" if after else "before"
            name = f"{world.name}: {kind} {side} {counted} {number + 1}"
            yield Schedule(name, world, (Trouble(kind, counted, share, after, how),))
