"""When an index is of no use any more, and how it goes: it is made again from the raw messages.

Whoever meets damage may only be reading, so it leaves a mark beside the index; whoever writes next
finds the mark, and makes the index anew.
"""

from contextlib import suppress
from pathlib import Path


def is_usable(path: Path) -> bool:
    """Whether there is an index at ``path`` in which no damage was met so far.

    An empty file is none: SQLite would take it for a database in which nothing was written yet.
    """
    return path.exists() and path.stat().st_size > 0 and not is_condemned(path)


def is_condemned(path: Path) -> bool:
    """Whether damage was met in the index at ``path``."""
    return _mark(path).exists()


def condemn(path: Path) -> None:
    """Has the next one that writes make the index at ``path`` anew, since damage was met in it."""
    # Whoever may not even write here cannot be helped, and meets the damage again.
    with suppress(OSError):
        _mark(path).touch(mode=0o600)


def discard(path: Path) -> None:
    """Removes an index and what lies beside it; the mark goes last.

    Raises:
        OSError: it cannot be removed.
    """
    for file in (path, _beside(path, "-wal"), _beside(path, "-shm"), _mark(path)):
        file.unlink(missing_ok=True)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _mark(path: Path) -> Path:
    return path.with_suffix(".damaged")
