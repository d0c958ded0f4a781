"""What stands between a run and its state directory, and what the program is made of."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from archiver.errors import ArchiverError, LocalDiskError, UsageError
from archiver.ledger.failures import damaged
from archiver.ledger.health import SQLITE_VERSION, look
from archiver.pop3.tls import LIBRARY
from archiver.state import StatePaths
from archiver.verbs.doctor.disk import free_space, nearest
from archiver.verbs.doctor.findings import Chart, Examination

FACTS = (
    "exists",
    "private",
    "writable",
    "free_bytes",
    "has_ledger",
    "has_index",
    "ledger_version",
    "clock_sane",
    "versions",
)
# No release of this program is older, so no clock that is right says less.
_RELEASED = 1_760_000_000
_OTHERS = 0o077


def examine_here(state: Path, now: float) -> Examination:
    """Everything about this machine that a run would meet.

    Args:
        state: the state directory; it need not exist.
        now: seconds since the epoch, by this machine's clock.
    """
    chart = Chart("here", str(state), "the state directory", FACTS)
    with chart.step("state"):
        _see_state(chart, state)
    free_space(chart, "space", nearest(state))
    newest = _see_ledger(chart, StatePaths(state))
    _see_clock(chart, now, newest)
    _see_versions(chart)
    return chart.examination()


def _see_state(chart: Chart, state: Path) -> None:
    place = nearest(state)
    there = place == state
    chart.know(exists=there, writable=_writable(place))
    if not place.is_dir():
        raise UsageError(f"{place} is no directory", hint="name another with --state")
    if not _writable(place):
        raise LocalDiskError(
            f"{place} cannot be written",
            hint="give this user the right to, mount it for writing, or name another with --state",
        )
    if not there:
        chart.note("state", f"{state} is not there yet; the first run makes it")
        return
    private = not state.stat().st_mode & _OTHERS
    chart.know(private=private)
    if private:
        chart.ok("state", f"{state} is there, for its owner's eyes alone")
    else:
        chart.note("state", f"others may look into {state}, which holds mail", f"chmod 700 {state}")


def _writable(place: Path) -> bool:
    # Effective, and on a read-only file system not even for root.
    return os.access(place, os.W_OK | os.X_OK, effective_ids=True)


def _see_ledger(chart: Chart, paths: StatePaths) -> int | None:
    """Notes what the ledger is like, and says when the newest message in it was fetched."""
    chart.know(has_ledger=paths.ledger.exists(), has_index=paths.index.exists())
    if not paths.ledger.exists():
        chart.ok("ledger", "none yet: nothing was archived from here")
        return None
    try:
        health = look(paths.ledger)
    except ArchiverError as error:
        chart.problem("ledger", error)
        return None
    chart.know(ledger_version=health.version)
    if health.damage:
        chart.problem("ledger", damaged(paths.ledger, health.damage))
    elif health.foreign:
        chart.problem(
            "ledger",
            UsageError(
                f"{paths.ledger} was made by a newer version of archiver",
                hint="use that version, or another --state",
            ),
        )
    elif health.missing:
        chart.note("ledger", f"is of version {health.version}; the next run brings it up to date")
    else:
        chart.ok("ledger", f"is whole, of version {health.version}")
    return health.newest


def _see_clock(chart: Chart, now: float, newest: int | None) -> None:
    sane = now >= max(_RELEASED, newest or 0)
    chart.know(clock_sane=sane)
    if sane:
        chart.ok("clock", "later than what was archived last" if newest else "plausible")
    else:
        chart.problem(
            "clock",
            LocalDiskError(
                "the clock of this machine is behind what was already archived"
                if now >= _RELEASED
                else "the clock of this machine is years behind",
                hint="set it: certificates and stores are judged by it",
            ),
        )


def _see_versions(chart: Chart) -> None:
    versions = {
        "archiver": version("pop3-archiver"),
        "python": platform.python_version(),
        "sqlite": SQLITE_VERSION,
        "openssl": LIBRARY,
    }
    chart.know(versions=versions)
    *named, openssl = versions.items()
    words = [f"{name} {value}" for name, value in named] + [openssl[1]]
    chart.ok("versions", ", ".join(words))
