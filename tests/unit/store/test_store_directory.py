import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archiver.errors import KeyTaken, StoreError
from archiver.store import payload_of, publish
from archiver.store.directory import DirectoryStore

TYPE = "message/rfc822"
ONE = payload_of(b"one")


def names(directory: Path) -> list[str]:
    """Everything that lies in a directory, hidden or not."""
    return sorted(path.name for path in directory.iterdir())


def failing(number: int) -> Callable[..., int]:
    """A system call that fails with this error number."""

    def call(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


@pytest.fixture(params=["unnamed", "named", "without links"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The three kinds of file systems: with nameless files, without, and without links as well."""
    if request.param != "unnamed":
        monkeypatch.setattr(publish, "_UNNAMED", 0)
    if request.param == "without links":
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    return str(request.param)


@pytest.mark.usefixtures("ways")
def test_files_hold_the_octets_and_nothing_else_is_left(tmp_path: Path) -> None:
    """On every kind of file system a file appears under its name, and no other file does."""
    store = DirectoryStore(tmp_path / "store")
    store.put("a/b", ONE, content_type=TYPE)
    assert (tmp_path / "store/a/b").read_bytes() == b"one"
    with pytest.raises(KeyTaken):
        store.put("a/b", payload_of(b"two"), content_type=TYPE)
    assert (tmp_path / "store/a/b").read_bytes() == b"one"
    assert names(tmp_path / "store/a") == ["b"]


@pytest.mark.usefixtures("ways")
def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of a file leaves no file, and says what to do."""
    store = DirectoryStore(tmp_path)
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
    with pytest.raises(StoreError, match="No space left") as caught:
        store.put("a", ONE, content_type=TYPE)
    assert "free some space" in caught.value.hint
    assert names(tmp_path) == []


def test_kill_before_the_name_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its octets are durable a file has no name at all."""
    seen = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append(names(tmp_path))
        real(descriptor)

    store = DirectoryStore(tmp_path)
    store.put("first", ONE, content_type=TYPE)
    monkeypatch.setattr(os, "fsync", fsync)
    store.put("second", ONE, content_type=TYPE)
    assert seen[0] == ["first"]
    assert seen[-1] == ["first", "second"]
    assert len(seen) == 2


def test_every_new_directory_is_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directories above a file are synced in their parents, once, also if others made them."""
    synced: list[Path] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        if target.is_dir():
            synced.append(target.relative_to(tmp_path))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    (tmp_path / "s/a").mkdir(parents=True)
    store = DirectoryStore(tmp_path / "s")
    store.put("a/b/one", ONE, content_type=TYPE)
    assert synced == [Path(), Path("s"), Path("s/a"), Path("s/a/b")]
    synced.clear()
    store.put("a/b/two", ONE, content_type=TYPE)
    assert synced == [Path("s/a/b")]


def test_found_octets_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose writer was killed before its name was durable is made durable now."""
    synced: list[Path] = []
    (tmp_path / "a").write_bytes(b"one")
    monkeypatch.setattr("archiver.store.directory.sync_file", synced.append)
    DirectoryStore(tmp_path).put("a", ONE, content_type=TYPE)
    assert synced == [tmp_path / "a"]


def test_a_name_that_is_not_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a directory cannot be synced nothing is said to be stored, until it can."""
    store = DirectoryStore(tmp_path)
    store.put("a/first", ONE, content_type=TYPE)
    real = os.fsync
    failures = 0

    def fsync(descriptor: int) -> None:
        nonlocal failures
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            failures += 1
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        for _ in range(2):
            with pytest.raises(StoreError, match="Input/output error"):
                store.put("a/second", ONE, content_type=TYPE)
    assert failures == 2
    store.put("a/second", ONE, content_type=TYPE)
    assert (tmp_path / "a/second").read_bytes() == b"one"


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    """Who may read the archive is for the user's umask to say."""
    before = os.umask(0o027)
    try:
        DirectoryStore(tmp_path / "s").put("d/a", ONE, content_type=TYPE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s/d/a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "s/d").stat().st_mode) == 0o750


def test_left_over_files_are_not_objects(tmp_path: Path) -> None:
    """A hidden file that a loss of power left behind is neither listed nor reached."""
    store = DirectoryStore(tmp_path)
    store.put("a", ONE, content_type=TYPE)
    (tmp_path / f"{publish.HIDDEN}123").write_bytes(b"half")
    assert [found.key for found in store.list("")] == ["a"]
    with pytest.raises(StoreError):
        store.head(f"{publish.HIDDEN}123")


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.EROFS, "mount"), (errno.EACCES, "right"), (errno.EDQUOT, "quota"), (errno.EIO, "log")],
)
def test_what_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    """Each refusal is one line with the path and what to do."""
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(StoreError) as caught:
        DirectoryStore(tmp_path).put("a", ONE, content_type=TYPE)
    assert str(tmp_path) in caught.value.message
    assert word in caught.value.hint
    assert "\n" not in caught.value.message


def test_missing_parent(tmp_path: Path) -> None:
    """A store is not made out of nowhere: the disk that should hold it may not be mounted."""
    store = DirectoryStore(tmp_path / "disk/store")
    tries: list[Callable[[], object]] = [
        store.probe,
        lambda: store.put("a", ONE, content_type=TYPE),
        lambda: store.head("a"),
        lambda: list(store.list("")),
        lambda: list(store.read("a")),
    ]
    for attempt in tries:
        with pytest.raises(StoreError, match="there is no directory") as caught:
            attempt()
        assert "mount" in caught.value.hint


def test_a_new_store_is_empty(tmp_path: Path) -> None:
    """Before its first object a store may be looked into, and looking makes nothing."""
    store = DirectoryStore(tmp_path / "store")
    assert store.head("format.json") is None
    assert list(store.list("mail/")) == []
    assert not (tmp_path / "store").exists()


def test_a_file_where_a_directory_should_be(tmp_path: Path) -> None:
    """An object cannot lie below another one here; it says so."""
    store = DirectoryStore(tmp_path)
    store.put("a", ONE, content_type=TYPE)
    with pytest.raises(StoreError):
        store.put("a/b", ONE, content_type=TYPE)
    assert (tmp_path / "a").read_bytes() == b"one"


def test_a_directory_where_a_file_should_be(tmp_path: Path) -> None:
    """What is there and is no object is not waited for."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("nowhere")
    for key in ("a", "b"):
        with pytest.raises(StoreError, match="in the way"):
            DirectoryStore(tmp_path).put(key, ONE, content_type=TYPE)


def test_many_directories_are_forgotten_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of directories does not grow with the archive."""
    monkeypatch.setattr("archiver.store.directory._REMEMBERED", 3)
    store = DirectoryStore(tmp_path)
    for number in range(8):
        store.put(f"{number}/a", ONE, content_type=TYPE)
    assert len(store._durable) <= 3
    assert len(list(store.list(""))) == 8


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP])
def test_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where nothing can be locked exchanges are not guarded, and are said not to be."""
    store = DirectoryStore(tmp_path / "store")
    assert store.probe().exchange
    monkeypatch.setattr(fcntl, "flock", failing(number))
    assert not store.probe().exchange
    first = store.exchange("state/a", b"one", expected=None)
    assert first is not None
    assert store.exchange("state/a", b"two", expected=None) is None
    assert store.exchange("state/a", b"two", expected=first.etag) is not None


def test_lock_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that fails for another reason is an error like any other."""
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(StoreError) as caught:
        DirectoryStore(tmp_path).exchange("state/a", b"one", expected=None)
    assert "log" in caught.value.hint
    assert not (tmp_path / "state/a").exists()


def test_lock_is_no_object_and_leaves_no_trace(tmp_path: Path) -> None:
    """While something is locked the lock is not taken for an object; afterwards it is gone."""
    store = DirectoryStore(tmp_path)
    store.exchange("state/a", b"one", expected=None)
    with publish.exclusive(tmp_path / "state") as locked:
        assert locked
        assert len(names(tmp_path / "state")) == 2
        assert [found.key for found in store.list("")] == ["state/a"]
    assert names(tmp_path / "state") == ["a"]


def test_lock_that_another_user_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file that may only be read is locked all the same, and taken away."""
    (tmp_path / f"{publish.HIDDEN}lock").touch()
    real = os.open

    def opening(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", opening)
    with publish.exclusive(tmp_path) as locked:
        assert locked
    assert names(tmp_path) == []


def test_many_exchanges_in_a_row(tmp_path: Path) -> None:
    """Of writers that count on from what they saw, none overwrites what another has written."""
    DirectoryStore(tmp_path).replace("state/count", b"0 nobody")

    def count(who: int) -> None:
        store, done = DirectoryStore(tmp_path), None
        while done is None:
            seen = b"".join(store.read("state/count"))
            octets = b"%d by %d" % (int(seen.split()[0]) + 1, who)
            etag = hashlib.sha256(seen).hexdigest()
            done = store.exchange("state/count", octets, expected=etag)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(40)))
    found = b"".join(DirectoryStore(tmp_path).read("state/count"))
    assert found.startswith(b"40 by ")
