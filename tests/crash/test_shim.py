"""What is preloaded into a process: what it keeps of a power cut, and what it breaks off."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from infra.crash import shim
from infra.crash.power import STATE, Power
from infra.crash.shim import Action, Plan

PRELUDE = """
import os, sqlite3, sys
from pathlib import Path

here = Path(sys.argv[1])

def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)

def name(descriptor):
    source = f"/proc/self/fd/{descriptor}"
    os.link(source, here / "a", src_dir_fd=0, follow_symlinks=True)

def below(name, octets=b"x"):
    (here / name).write_bytes(octets)
    sync(here / name)

def kept(name, octets):
    below(name, octets)
    sync(here)
"""


@dataclass
class Bench:
    """A directory below which a program runs that is watched."""

    power: Power
    library: Path

    @property
    def here(self) -> Path:
        """Where the program writes; it is durable itself."""
        return self.power.root / STATE

    def run(self, program: str, plan: Plan = shim.NO_PLAN) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end, whatever that is."""
        watched = shim.preloading(self.library, self.power.root, self.power.shadow, plan)
        return subprocess.run(
            [sys.executable, "-c", PRELUDE + program, str(self.here)],
            env={**os.environ, **watched},
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self) -> dict[str, bytes]:
        """What is there now."""
        found = (path for path in self.here.rglob("*") if path.is_file())
        return {str(path.relative_to(self.here)): path.read_bytes() for path in found}


@pytest.fixture
def bench(tmp_path: Path, crash_library: Path) -> Bench:
    """A place to write in."""
    power = Power(tmp_path / "root", tmp_path / "shadow")
    (power.root / STATE).mkdir()
    power.adopt()
    return Bench(power, crash_library)


CASES = {
    "all of it": ("kept('a', b'x')", {"a": b"x"}),
    "no sync of the file": ("(here / 'a').write_bytes(b'x'); sync(here)", {"a": b""}),
    "no sync of the directory": ("(here / 'a').write_bytes(b'x'); sync(here / 'a')", {}),
    "octets after the sync": ("kept('a', b'x'); (here / 'a').open('ab').write(b'y')", {"a": b"x"}),
    "cut after the sync": ("kept('a', b'xy'); os.truncate(here / 'a', 1)", {"a": b"xy"}),
    "removed": ("kept('a', b'x'); (here / 'a').unlink()", {"a": b"x"}),
    "removed for good": ("kept('a', b'x'); (here / 'a').unlink(); sync(here)", {}),
    "renamed": ("kept('a', b'x'); (here / 'a').rename(here / 'b')", {"a": b"x"}),
    "renamed for good": (
        "kept('a', b'x'); (here / 'a').rename(here / 'b'); sync(here)",
        {"b": b"x"},
    ),
    "renamed over another": (
        "kept('a', b'x'); kept('b', b'y'); (here / 'b').rename(here / 'a')",
        {"a": b"x", "b": b"y"},
    ),
    "removed and made again": (
        "kept('a', b'x'); (here / 'a').unlink(); (here / 'a').write_bytes(b'y'); sync(here / 'a')",
        {"a": b"x"},
    ),
    "without a name": (
        """
d = os.open(here, os.O_TMPFILE | os.O_WRONLY)
os.write(d, b"x")
os.fsync(d)
name(d)
sync(here)
""",
        {"a": b"x"},
    ),
    "below a new directory": (
        "(here / 'd').mkdir(); below('d/a'); sync(here / 'd'); sync(here)",
        {"d/a": b"x"},
    ),
    "below one that is not synced": (
        "(here / 'd').mkdir(); below('d/a'); sync(here / 'd')",
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_power_is_cut(case: str, bench: Bench) -> None:
    """What was not made durable is gone, or there again; what was is as it was then."""
    program, left = CASES[case]
    done = bench.run(program)
    assert done.returncode == 0, done.stderr
    bench.power.cut()
    assert bench.files() == left


def test_some_survives_by_luck(bench: Bench) -> None:
    """A lenient cut keeps all that is durable and some of the rest, and no octets of its own."""
    program = "kept('sure', b'x'); [(here / str(n)).write_bytes(b'y') for n in range(40)]"
    assert bench.run(program).returncode == 0
    bench.power.cut(Random(3))
    left = bench.files()
    assert left.pop("sure") == b"x"
    assert 0 < len(left) < 40
    assert set(left.values()) <= {b"", b"y"}


def test_cuts_follow_one_another(bench: Bench) -> None:
    """What a cut left is durable, and what a run did that was not cut off still is not."""
    bench.run("kept('a', b'x'); (here / 'b').write_bytes(b'lost')")
    bench.power.cut()
    bench.run("(here / 'c').write_bytes(b'later'); sync(here / 'c')")
    bench.run("(here / 'd').write_bytes(b'too')")
    bench.run("sync(here)")
    bench.power.cut()
    assert bench.files() == {"a": b"x", "c": b"later", "d": b""}


@pytest.mark.parametrize(("synchronous", "left"), [("FULL", [(1,), (2,)]), ("OFF", [(1,)])])
def test_sqlite(synchronous: str, left: list[tuple[int]], bench: Bench) -> None:
    """SQLite's own writes are seen: what it commits survives where it syncs, and only there."""
    program = """
db = sqlite3.connect(here / "db", isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE t (n)")
db.execute("INSERT INTO t VALUES (1)")
sync(here)
db.execute("PRAGMA synchronous = {}")
db.execute("INSERT INTO t VALUES (2)")
os._exit(0)
"""
    assert bench.run(program.format(synchronous)).returncode == 0
    bench.power.cut()
    database = sqlite3.connect(bench.here / "db")
    assert database.execute("SELECT n FROM t").fetchall() == left
    database.close()


STEPS = "for n in range(5): (here / str(n)).write_bytes(b'ab')"


@pytest.mark.parametrize(
    ("kind", "after", "left"),
    [
        ("write", False, {"0": b"ab", "1": b"ab", "2": b""}),
        ("write", True, {"0": b"ab", "1": b"ab", "2": b"ab"}),
        ("name", False, {"0": b"ab", "1": b"ab"}),
        ("name", True, {"0": b"ab", "1": b"ab", "2": b""}),
    ],
)
def test_killed(kind: str, after: bool, left: dict[str, bytes], bench: Bench) -> None:
    """The process is killed before or after the third call of a kind, and nothing follows."""
    done = bench.run(STEPS, Plan(f"else {kind}", 3, after, Action.KILL))
    assert done.returncode == -signal.SIGKILL
    assert bench.files() == left
    assert shim.counts(bench.power.shadow)[f"else {kind}"] == 3


def test_a_call_fails(bench: Bench) -> None:
    """One call fails with the error that was planned, and the next one does not."""
    done = bench.run(STEPS, Plan("else write", 3, after=False, action=Action.FAIL, error=errno.EIO))
    assert "Input/output error" in done.stderr
    assert bench.files() == {"0": b"ab", "1": b"ab", "2": b""}


@pytest.mark.parametrize(("after", "octets"), [(False, b""), (True, b"a")])
def test_full_disk(after: bool, octets: bytes, bench: Bench) -> None:
    """From a write on the disk is full; the first one may still find room for half of it."""
    program = """
def attempt(n):
    try:
        (here / str(n)).write_bytes(b"ab")
    except OSError as error:
        print(n, error.errno)

for n in range(4): attempt(n)
(here / "0").unlink()
"""
    plan = Plan("else write", 2, after, Action.FULL, errno.ENOSPC, ("else",))
    done = bench.run(program, plan)
    assert done.stdout.splitlines() == [f"{n} {errno.ENOSPC}" for n in (1, 2, 3)]
    assert bench.files() == {"1": octets}


def test_elsewhere(bench: Bench, tmp_path: Path) -> None:
    """What lies beside the root is neither counted nor broken off."""
    program = f"Path({str(tmp_path)!r}, 'root.txt').write_bytes(b'x' * 9)"
    done = bench.run(program, Plan("else write", 1, after=False, action=Action.KILL))
    assert done.returncode == 0
    assert (tmp_path / "root.txt").read_bytes() == b"x" * 9
