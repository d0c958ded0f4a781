import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.errors import AlreadyRunning, LocalDiskError
from archiver.state import AccountLock, StatePaths

ME = "me@example.com"
HOLDER = (
    "import sys; from pathlib import Path; from archiver.state import AccountLock;"
    f"AccountLock(Path(sys.argv[1]), {ME!r}, 'run').acquire(); print('held', flush=True);"
    "sys.stdin.read()"
)


def held_by_other(directory: Path, *weakened: str) -> subprocess.Popen[bytes]:
    """A process that holds the account's lock until its standard input ends."""
    process = subprocess.Popen(
        [*weakened, sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_second_process_is_told_who(tmp_path: Path) -> None:
    """A second run of an account is refused at once and told what the first is."""
    with held_by_other(tmp_path) as process:
        with pytest.raises(AlreadyRunning, match=rf"archiver run, process {process.pid}, since 20"):
            AccountLock(tmp_path, ME, "fetch").acquire()
        with AccountLock(tmp_path, "other@example.com", "fetch"):
            pass
        process.communicate()


def test_death_releases(tmp_path: Path) -> None:
    """A run that was killed locks nobody out, though its file still names it."""
    with held_by_other(tmp_path) as process:
        process.kill()
        process.communicate()
    (stale,) = tmp_path.iterdir()
    assert str(process.pid) in stale.read_text()
    with AccountLock(tmp_path, ME, "run"):
        assert str(process.pid) not in stale.read_text()


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"\0" * 5000,
        b"\xff{",
        b'{"pid": 1',
        # A process of that number lives, and is not the one that wrote this.
        b'{"pid": 1, "verb": "run", "since": "2026-01-02T03:04:05Z"}',
    ],
)
def test_stale_file(left: bytes, tmp_path: Path) -> None:
    """Whatever a file says that nobody holds, it locks nobody out."""
    with AccountLock(tmp_path, ME, "run"):
        pass
    (file,) = tmp_path.iterdir()
    file.write_bytes(left)
    with AccountLock(tmp_path, ME, "fetch"), pytest.raises(AlreadyRunning, match="archiver fetch"):
        AccountLock(tmp_path, ME, "run").acquire()


def test_file_without_rights(tmp_path: Path) -> None:
    """A file of ours that may not even be read locks nobody out, and still is the lock."""
    with AccountLock(tmp_path, ME, "run"):
        pass
    (file,) = tmp_path.iterdir()
    file.chmod(0)
    # Root may do anything to a file unless that is taken from it.
    weak = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if not os.getuid() else []
    with (
        held_by_other(tmp_path, *weak) as process,
        pytest.raises(AlreadyRunning, match=f"archiver run, process {process.pid}"),
    ):
        AccountLock(tmp_path, ME, "fetch").acquire()


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for a name the lock is held all the same."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with AccountLock(tmp_path, ME, "run"), pytest.raises(AlreadyRunning, match="another"):
            AccountLock(tmp_path, ME, "run").acquire()


def test_released(tmp_path: Path) -> None:
    """A lock that was given back can be taken again, also in the same process."""
    lock = AccountLock(tmp_path, ME, "run")
    with lock, pytest.raises(AlreadyRunning):
        AccountLock(tmp_path, ME, "run").acquire()
    lock.release()
    with AccountLock(tmp_path, ME, "run"):
        pass


def test_unreadable_holder(tmp_path: Path) -> None:
    """A lock whose file says nothing of use is still a lock."""
    with AccountLock(tmp_path, ME, "run"):
        next(tmp_path.iterdir()).write_text("[]")
        with pytest.raises(AlreadyRunning, match="another process"):
            AccountLock(tmp_path, ME, "run").acquire()


def test_no_directory(tmp_path: Path) -> None:
    """A lock that cannot be written is the local disk's fault."""
    with pytest.raises(LocalDiskError):
        AccountLock(tmp_path / "missing", ME, "run").acquire()


def test_release_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is given back even where its file cannot be written."""
    lock = AccountLock(tmp_path, ME, "run")
    lock.acquire()
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", full)
        lock.release()
    AccountLock(tmp_path, ME, "run").acquire()


def full(*_: object) -> None:
    """There is no room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_odd_accounts(tmp_path: Path) -> None:
    """Whatever an account is called, its lock lies in the directory and nowhere else."""
    locks = [AccountLock(tmp_path, name, "run") for name in ("..", "a/b", "ü", ".", "kept")]
    for lock in locks:
        lock.acquire()
    assert len(list(tmp_path.iterdir())) == len(locks)
    for lock in locks:
        lock.release()


def test_paths(tmp_path: Path) -> None:
    """The state directory is made for its owner's eyes alone."""
    paths = StatePaths(tmp_path / "a" / "state")
    paths.create()
    paths.create()
    assert paths.root.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in paths.root.iterdir()} == {"spool", "locks"}
    assert {paths.ledger.name, paths.index.name} == {"ledger.db", "index.db"}


def test_paths_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until there is a ledger every directory up to the root is synced, whoever made it."""
    synced: list[Path] = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()),
    )
    paths = StatePaths(tmp_path / "a" / "state")
    for _ in range(2):
        synced.clear()
        paths.create()
        assert {paths.root, tmp_path / "a", tmp_path} <= set(synced)
    paths.ledger.touch()
    synced.clear()
    paths.create()
    assert synced == []


def test_paths_in_the_way(tmp_path: Path) -> None:
    """A state directory that cannot be made is the local disk's fault."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(LocalDiskError, match="state directory"):
        StatePaths(tmp_path / "state").create()
