"""What stands between a run and a directory as its store."""

import os
from contextlib import suppress
from pathlib import Path

from archiver.config import StoreSettings
from archiver.errors import ArchiverError, StoreError
from archiver.format import STATE_PREFIX
from archiver.store import open_store
from archiver.store.opening import canonical_url
from archiver.verbs.doctor.disk import free_space, nearest
from archiver.verbs.doctor.findings import Chart, Examination
from archiver.verbs.doctor.probe import see_format, try_store

FACTS = (
    "exists",
    "writes",
    "write_seconds",
    "reads",
    "lists",
    "removes",
    "conditional",
    "md5_etag",
    "checksum",
    "exchange",
    "format",
    "free_bytes",
    "same_device",
)


def examine_directory(settings: StoreSettings, path: Path, state: Path) -> Examination:
    """Everything about a directory that a run would meet.

    Args:
        settings: of the store.
        path: the directory, absolute; it need not exist.
        state: the state directory, which had better be on another disk.
    """
    chart = Chart("store", canonical_url(settings.url), str(path), FACTS)
    try:
        if _exists(chart, path):
            _try(chart, settings, path)
        _see_disk(chart, path, state)
    except ArchiverError as error:
        chart.problem("settings", error)
    return chart.examination()


def _exists(chart: Chart, path: Path) -> bool:
    chart.know(exists=path.is_dir())
    if path.is_dir():
        chart.ok("directory", f"{path} is there")
        return True
    if path.exists():
        chart.problem("directory", StoreError(f"{path} is no directory", hint="name another"))
    elif not path.parent.is_dir():
        chart.problem(
            "directory",
            StoreError(
                f"there is no directory {path.parent} to hold the store {path}",
                hint="make it, or mount the disk that holds it",
            ),
        )
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        chart.problem(
            "directory",
            StoreError(
                f"{path} is not there, and {path.parent} cannot be written",
                hint="make it, or give this user the right to write there",
            ),
        )
    else:
        chart.note("directory", f"{path} is not there yet; the first run makes it")
    return False


def _try(chart: Chart, settings: StoreSettings, path: Path) -> None:
    state = path / STATE_PREFIX.rstrip("/")
    was_there = state.exists()
    with open_store(settings) as store:
        try_store(chart, store)
        see_format(chart, store)
    if not was_there:
        # It is empty unless something else began to use it meanwhile.
        with suppress(OSError):
            state.rmdir()


def _see_disk(chart: Chart, path: Path, state: Path) -> None:
    place = nearest(path)
    free_space(chart, "space", place)
    same = place.stat().st_dev == nearest(state).stat().st_dev
    chart.know(same_device=same)
    if same:
        chart.note(
            "device",
            "archive and state are on one disk, and would be lost together",
            "put the archive on another disk, or copy it elsewhere",
        )
    else:
        chart.ok("device", "archive and state are on different disks")
