import errno
import io
import os
from pathlib import Path

import pytest

from archiver.errors import LocalDiskError
from archiver.state import Spool
from archiver.state.spool import Segment, batch_name

ME = "me@example.com"
NOW = 1_780_000_000.0


def filled(spool: Spool, octets: bytes, account: str = ME) -> Segment:
    """A durable segment."""
    segment = spool.create(account, NOW)
    segment.write(octets)
    segment.commit()
    return segment


def test_commit_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is fsynced with all of its octets, and then its directory, before commit ends."""
    spool = Spool(tmp_path, 1000)
    segment = spool.create(ME, NOW)
    segment.write(b"abc")
    synced: list[tuple[str, int]] = []

    def fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((target.name, target.stat().st_size if target.is_file() else -1))

    monkeypatch.setattr(os, "fsync", fsync)
    segment.commit()
    assert synced == [(Path(segment.name).name, 3), (ME, -1)]


def test_new_directories_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's first segment of an account makes the entry of its directory durable, too.

    Also where the directory is there already: a run that was killed may have made it.
    """
    synced: list[Path] = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()),
    )
    for _ in range(2):
        spool = Spool(tmp_path, 1000)
        for expected in ([tmp_path, tmp_path], []):
            synced.clear()
            spool.create(ME, NOW).discard()
            assert synced == expected


def test_segment(tmp_path: Path) -> None:
    """A segment holds what was written, without what was taken back, and says its day."""
    spool = Spool(tmp_path, 1000)
    segment = spool.create(ME, NOW)
    segment.write(b"first")
    segment.write(b"second")
    segment.cut(5)
    segment.write(b"third")
    segment.commit()
    assert spool.path(segment.name).read_bytes() == b"firstthird"
    assert segment.octets == 10
    assert (segment.name, segment.day) == (f"{ME}/{segment.batch}.seg", "2026-05-28")
    assert spool.path(segment.name).stat().st_mode & 0o777 == 0o600
    assert spool.path(segment.name).parent.stat().st_mode & 0o777 == 0o700


def test_batch_names_sort_by_time() -> None:
    """The batches of a day sort by the time of day, and no two have one name."""
    assert batch_name(NOW) < batch_name(NOW + 1)
    assert batch_name(NOW) != batch_name(NOW)


def test_limit(tmp_path: Path) -> None:
    """Durable segments count against the limit until they are removed."""
    spool = Spool(tmp_path, 6)
    open_one = spool.create(ME, NOW)
    open_one.write(b"12345678")
    assert spool.used == 0
    open_one.commit()
    assert spool.used == 8
    spool.remove(open_one.name)
    assert spool.used == 0
    assert not spool.path(open_one.name).exists()
    spool.remove(open_one.name)
    spool.remove("")


def test_recover(tmp_path: Path) -> None:
    """After a crash what no batch needs is removed, and what is missing is named."""
    before = Spool(tmp_path, 100)
    needed, orphan = filled(before, b"needed"), filled(before, b"orphan")
    other = filled(before, b"other", "other@example.com")
    part = before.path(needed.name).with_name("part-1.tmp")
    part.write_bytes(b"x")
    spool = Spool(tmp_path, 100)
    missing = spool.recover(ME, [(needed.name, 6), (f"{ME}/lost.seg", 5)])
    assert missing == [f"{ME}/lost.seg"]
    assert spool.path(needed.name).exists()
    assert spool.path(other.name).exists()
    assert not spool.path(orphan.name).exists()
    assert not part.exists()
    spool.remove(f"{ME}/lost.seg")
    assert spool.used == 6


def test_kept(tmp_path: Path) -> None:
    """Messages with a problem are copied out of their segment, durable and counted apart."""
    spool = Spool(tmp_path, 100)
    segment = filled(spool, b"goodbadworse")
    kept = spool.keep(ME, spool.path(segment.name), [(4, 3), (7, 5)], NOW)
    assert kept.name.startswith(f"kept/{ME}/")
    assert spool.path(kept.name).read_bytes() == b"badworse"
    spool.remove(segment.name)
    assert spool.used == 0
    again = Spool(tmp_path, 100)
    assert again.recover(ME, [(kept.name, 8)]) == []
    assert again.used == 0
    assert again.recover(ME, []) == []
    assert not again.path(kept.name).exists()


def test_account_called_kept(tmp_path: Path) -> None:
    """An account with the name of the directory for problems has a spool like any other."""
    spool = Spool(tmp_path, 100)
    segment = filled(spool, b"mine", "kept")
    theirs = spool.keep(ME, spool.path(segment.name), [(0, 2)], NOW)
    assert spool.used == 4
    assert spool.recover("kept", [(segment.name, 4)]) == []
    assert spool.path(theirs.name).read_bytes() == b"mi"
    assert spool.used == 4


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A full disk is said so, and leaves neither a segment nor a count of it."""
    spool = Spool(tmp_path, 100)
    segment = spool.create(ME, NOW)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if step == "fsync":
            patched.setattr(os, "fsync", full)
        else:
            segment._file.close()

            class FullFile(io.FileIO):
                write = full

            patched.setattr(
                segment, "_file", io.BufferedWriter(FullFile(spool.path(segment.name), "wb"), 10)
            )
        with pytest.raises(LocalDiskError, match="is full") as caught:
            segment.write(b"x" * 5)
            segment.commit()
    assert caught.value.hint
    assert list((tmp_path / ME).iterdir()) == []
    assert spool.used == 0


def test_a_name_that_is_not_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment whose directory cannot be synced is none, whole as it may be."""
    spool = Spool(tmp_path, 100)
    segment = spool.create(ME, NOW)
    segment.write(b"x")
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(LocalDiskError, match="Input/output error"):
            segment.commit()
    assert list((tmp_path / ME).iterdir()) == []
    assert spool.used == 0


def test_no_permission(tmp_path: Path) -> None:
    """A spool that cannot be written is the local disk's fault."""
    (tmp_path / ME).write_bytes(b"in the way")
    with pytest.raises(LocalDiskError, match="cannot write"):
        Spool(tmp_path, 100).create(ME, NOW)
