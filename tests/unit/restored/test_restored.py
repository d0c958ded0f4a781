"""The record of what was restored."""

import sqlite3
from pathlib import Path

import pytest

from archiver.errors import UsageError
from archiver.restored import Restored

A, B, C = (letter * 64 for letter in "abc")


def test_what_is_recorded_is_known(tmp_path: Path) -> None:
    """A message that was restored is known to the next run, in its folder alone."""
    with Restored.open(tmp_path / "restored.db") as record:
        one, two = record.folder("me@h:993", "One"), record.folder("me@h:993", "Two")
        record.want([(one, A, 2, 10), (one, B, 1, 20), (one, C, None, 5), (two, A, 2, 10)])
        waiting = list(record.waiting(one))
        assert [each.digest for each in waiting] == [B, A, C], "oldest first, undated last"
        record.note(one, "appended", [(waiting[0], 7, 1, None), (waiting[1], 7, 2, None)])
        record.refuse(waiting[2], "TOOBIG", "too big")
        assert [each.reason for each in record.refused(one)] == ["too big"]
        counts = record.counts(one)
        assert (counts.appended, counts.refused, counts.left, counts.sent) == (2, 1, 0, 30)
    with Restored.open(tmp_path / "restored.db") as record:
        assert record.folder("me@h:993", "One") == one
        record.want([(one, A, 2, 10), (one, C, None, 5), (two, A, 2, 10)])
        assert [each.digest for each in record.waiting(one)] == [C], "what was refused is due"
        assert (record.counts(one).known, record.counts(two).known) == (1, 0)


def test_what_is_gone_is_taken_back(tmp_path: Path) -> None:
    """Only what the folder does not hold any more is wanted again, or all under new UIDs."""
    with Restored.open(tmp_path / "restored.db") as record:
        row = record.folder("me@h:993", "One")
        record.want([(row, A, 1, 10), (row, B, 2, 10)])
        first, second = record.waiting(row)
        record.note(row, "appended", [(first, 7, 1, None), (second, 7, 2, None)])
    with Restored.open(tmp_path / "restored.db") as record:
        record.want([(row, A, 1, 10), (row, B, 2, 10)])
        assert record.look(row, 7, [2, 5]) == [5]
        record.take_back(row, 7)
        assert [each.digest for each in record.waiting(row)] == [A]
        assert record.look(row, 8, [1, 2]) == [1, 2], "under another UIDVALIDITY nothing is known"


def test_what_was_put_without_uid_is_recognised(tmp_path: Path) -> None:
    """A record without a UID gets it from the message that is like it, once."""
    with Restored.open(tmp_path / "restored.db") as record:
        row = record.folder("me@h:993", "One")
        record.want([(row, A, 1, 10), (row, B, 1, 10)])
        first, _ = record.waiting(row)
        record.note(row, "appended", [(first, None, None, b"like")])
        assert record.look(row, 7, [1, 2]) == [1, 2]
        record.describe([(1, 10, b""), (2, 10, b"")])
        assert [one.uid for one in record.alike([10, 11])] == [1, 2]
        assert record.unread(1, 10, 50) == [1, 2]
        assert record.read(row, 7, 1, b"like")
        assert record.unread(1, 10, 50) == [], "that one was read"
        assert not record.read(row, 7, 2, b"like"), "that record has its UID already"
        assert [one.likeness for one in record.alike([10])] == [b"like"]


def test_a_file_of_something_else(tmp_path: Path) -> None:
    """A damaged file, and one of a newer version, are named and left alone."""
    path = tmp_path / "restored.db"
    path.write_bytes(b"this is no database, and long enough to be seen as none " * 20)
    with pytest.raises(UsageError, match="damaged"):
        Restored.open(path)
    path.unlink()
    Restored.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE _sqlite_migrations SET name = 'm999_later'")
    db.close()
    with pytest.raises(UsageError, match="newer version"):
        Restored.open(path)
