"""The preloaded library as Python sees it: built, told what to do, and asked what it counted."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from struct import Struct

from infra.process import ServerMissing, find

PLACES: Mapping[str, str] = {
    "ledger": "/local/state/ledger.db",
    "index": "/local/state/index.db",
    "spool": "/local/state/spool",
    "store": "/disk",
    "else": "",
}
"""Where a call can take place, by how its path goes on behind the root; the first that fits."""

KINDS = ("write", "sync", "name")
"""What changes a file: its octets, what makes them or a directory durable, or its names."""

STEPS = ("commit", "store", "task", "line", "quit")
"""What Python counts: a transaction of the ledger, a call to the store, a worker's task, a write to
the server, the end of a session."""

COUNTED = (*(f"{place} {kind}" for place in PLACES for kind in KINDS), *STEPS)
"""All that is counted, in the order of the counters."""

_COUNTERS = Struct(f"{len(COUNTED)}l")
_SOURCE = Path(__file__).with_name("shim.c")


class Action(IntEnum):
    """What happens at the planned call.

    ``KILL``: SIGKILL. ``STOP``: SIGTERM. ``FAIL``: this call fails. ``FULL``: from here on nothing
    can be written.
    """

    NOTHING = 0
    KILL = 1
    STOP = 2
    FAIL = 3
    FULL = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """Before or after which call something happens.

    Args:
        counted: what is counted, one of ``COUNTED``.
        at: which of them, from 1.
        after: whether it takes place first.
        action: what happens.
        error: the errno of a call that fails.
        disk: the places that a full disk holds.
    """

    counted: str
    at: int
    after: bool
    action: Action
    error: int = 0
    disk: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The arguments of ``crash_plan``."""
        disk = sum(1 << list(PLACES).index(place) for place in self.disk)
        slot = COUNTED.index(self.counted)
        return (slot, self.at, self.after, self.action, self.error, disk)


NO_PLAN = Plan("commit", 0, after=False, action=Action.NOTHING)


def build(directory: Path) -> Path:
    """Compiles the library into a directory.

    Raises:
        ServerMissing: there is no C compiler, or it cannot do that.
    """
    library = directory / "crash.so"
    command = [find("gcc", "gcc", "gcc and libc6-dev"), "-shared", "-fPIC", "-O2", "-pthread"]
    done = subprocess.run(
        [*command, "-o", str(library), str(_SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerMissing("gcc", f"it cannot compile {_SOURCE.name}: {done.stderr[-500:]}")
    return library


def preloading(library: Path, root: Path, shadow: Path, plan: Plan = NO_PLAN) -> dict[str, str]:
    """The variables of a process that is watched from its start on; its children are not."""
    prepare(shadow)
    # An empty word would be lost in between.
    places = [prefix or "-" for prefix in PLACES.values()]
    words = (root, shadow, *places, *(int(number) for number in plan.numbers))
    return {"LD_PRELOAD": str(library), "CRASH_WATCH": " ".join(map(str, words))}


def prepare(shadow: Path) -> None:
    """Makes the shadow's directories."""
    for name in ("files", "directories", "pins"):
        (shadow / name).mkdir(parents=True, exist_ok=True)


def counts(shadow: Path) -> dict[str, int]:
    """How often each call was made by the process that was watched last with this shadow."""
    numbers = _COUNTERS.unpack((shadow / "counts").read_bytes()[: _COUNTERS.size])
    return dict(zip(COUNTED, numbers, strict=True))


class Shim:
    """The library in this process, which was started with it."""

    def __init__(self) -> None:
        if "crash.so" not in os.environ.get("LD_PRELOAD", ""):
            sys.exit("this process has to be started with the library preloaded")
        # PyDLL keeps other threads from running between two steps of one.
        self._library = ctypes.PyDLL(None)

    def watch(self, root: Path, shadow: Path, plan: Plan) -> None:
        """Counts and remembers from here on, until this process ends."""
        prefixes = (ctypes.c_char_p * len(PLACES))(*map(str.encode, PLACES.values()))
        self._library.crash_watch(str(root).encode(), str(shadow).encode(), prefixes)
        slot, at, *rest = plan.numbers
        self._library.crash_plan(slot, ctypes.c_long(at), *(int(number) for number in rest))

    def step(self, name: str, *, after: bool) -> Action:
        """One of ``STEPS`` is about to take place, or has; says what the caller has to do."""
        return Action(self._library.crash_step(STEPS.index(name), int(after)))
