"""What both stores and the state directory ask of a disk."""

import os
from pathlib import Path

from archiver.verbs.doctor.findings import Chart

LOW_OCTETS = 1 << 30
"""Less free space than this is worth a note: a few hundred large messages fill it."""

_GIB = 1 << 30


def nearest(path: Path) -> Path:
    """The path itself, or what is above it and exists."""
    return next(one for one in (path, *path.parents) if one.exists())


def free_space(chart: Chart, topic: str, place: Path) -> None:
    """Notes how many octets a user may still write there."""
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    chart.know(free_bytes=free)
    said = f"{free / _GIB:,.1f} GiB free at {place}"
    if free < LOW_OCTETS:
        chart.note(topic, said, "free some; a full disk ends a run, and loses nothing")
    else:
        chart.ok(topic, said)
