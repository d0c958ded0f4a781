import errno
import os
import pickle
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from index_helpers import asked, index_of, located, mail

from archiver.errors import AlreadyRunning, IndexDamaged, LocalDiskError, UsageError
from archiver.index import (
    INDEX_VERSION,
    Index,
    Location,
    database,
    discard,
    is_condemned,
    is_usable,
    prepare,
    writer,
)
from archiver.index.disposal import condemn
from archiver.model import Address, Part


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the index of a test lies."""
    return tmp_path / "index.db"


def filled(path: Path) -> None:
    """Makes an index of one message, whose text is ``alpha``."""
    index = Index.open(path)
    index.add([located(mail("alpha"))])
    index.close()


@contextmanager
def opened(path: Path) -> Iterator[Index]:
    """The index at ``path``, closed in the end."""
    index = Index.open(path)
    try:
        yield index
    finally:
        index.close()


def test_adding_again_changes_nothing() -> None:
    """A message that is known is not indexed twice, in one batch or in two."""
    message = mail("alpha")
    with index_of(message, message) as index:
        index.add([located(message)])
        assert index.count() == 1
        assert len(index.search(asked("alpha"))) == 1


def test_one_hit_for_two_accounts() -> None:
    """A message that two accounts hold is one hit that names both."""
    message = mail("alpha")
    with index_of() as index:
        index.add([located(message, "zoe@example.com"), located(message, "amy@example.com")])
        (hit,) = index.search(asked("alpha"))
    assert hit.accounts == ("amy@example.com", "zoe@example.com")
    assert hit.places[0].key.startswith("mail/amy@example.com/")


@pytest.mark.parametrize("key", ["packs/0001", "a/{0}.eml", "{0}/{0}", "{0}", ""])
def test_locations_are_kept_exactly(key: str) -> None:
    """Whatever form keys have, with the digest inside or not, they come back as they were."""
    message = mail("alpha")
    location = Location("me", key.format(message.digest), offset=1 << 40, length=77)
    with index_of() as index:
        index.add([(prepare(message), location)])
        (hit,) = index.search(asked("alpha"))
    assert (hit.places[0].key, hit.places[0].offset, hit.places[0].length) == (
        location.key,
        1 << 40,
        77,
    )


def test_last_location_counts() -> None:
    """A repaired object is found under its new key."""
    message = mail("alpha")
    entry, location = located(message)
    with index_of(message) as index:
        index.add([(entry, replace(location, key="elsewhere"))])
        (hit,) = index.search(asked("alpha"))
    assert (hit.places[0].key, hit.accounts) == ("elsewhere", ("me@example.com",))


def test_indexed() -> None:
    """Those digests are named that are in the index."""
    known, unknown = mail("alpha"), mail("beta")
    with index_of(known) as index:
        assert index.indexed([known.digest, unknown.digest]) == {known.digest}
        assert index.indexed([]) == set()


def test_newer_version_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of an older version are due again; added again they are replaced, places kept."""
    message = mail("alpha", authors=(Address("Joe", "joe@example.com"),))
    with index_of(message) as index:
        index.add([located(message, "zoe@example.com")])
        for module in (database, writer):
            monkeypatch.setattr(module, "INDEX_VERSION", INDEX_VERSION + 1)
        assert index.indexed([message.digest]) == set()
        index.add([located(replace(message, text="beta", authors=()))])
        assert index.indexed([message.digest]) == {message.digest}
        assert index.count() == 1
        assert index.search(asked("alpha")) == []
        assert index.search(asked("joe")) == []
        (hit,) = index.search(asked("beta"))
    assert hit.accounts == ("me@example.com", "zoe@example.com")


def test_what_is_common_is_stored_once(path: Path) -> None:
    """Addresses, file names and what the keys of a batch share are rows of their own, once."""
    part = Part(digest="ab" * 32, size=10, type="image/png", name="a.png")
    with opened(path) as index:
        for _ in range(2):
            message = mail("x", to=(Address("Joe", "joe@example.com"),), parts=(part, part))
            index.add([located(message)])
    connection = sqlite3.connect(path)
    for table in ("addresses", "names", "places", "address_grams", "name_grams"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    connection.close()


def test_batch_is_all_or_nothing() -> None:
    """A batch that fails in its middle leaves nothing behind, and the next one is added."""
    first = mail("alpha")
    broken = replace(prepare(mail("beta")), size=1 << 70)
    with index_of() as index:
        with pytest.raises(OverflowError):
            index.add([located(first), (broken, located(first)[1])])
        assert index.count() == 0
        index.add([located(first)])
        assert index.count() == 1


def test_texts_are_kept_apart() -> None:
    """Each message of a batch has its own text, however long the others are."""
    mails = [mail(f"alpha number{n} " + "x" * n * 7_000) for n in range(30)]
    mails.append(mail(""))
    with index_of(*mails) as index:
        found = {hit.digest: hit.snippet for hit in index.search(asked("alpha"))}
    for number, message in enumerate(mails[:-1]):
        assert found[message.digest].startswith(f"alpha number{number}")


def test_only_the_start_of_a_long_text_is_searched_for_a_snippet() -> None:
    """A match a long way into a text is found, and the start of the text is shown."""
    with index_of(mail("start " + "é " * 1_000_000 + "end")) as index:
        (hit,) = index.search(asked("end"))
    assert hit.snippet.startswith("start é")


def test_entries_cross_processes() -> None:
    """What a worker prepares can be sent to the main process."""
    entry = prepare(mail("alpha"))
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_settings_of_the_file(path: Path) -> None:
    """Readers and the writer do not wait for each other, and the disk is not waited for."""
    filled(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_opened_again(path: Path) -> None:
    """What was added is there when the file is opened again, for writing or reading."""
    filled(path)
    for read_only in (False, True):
        index = Index.open(path, read_only=read_only)
        assert len(index.search(asked("alpha"))) == 1
        index.close()


def test_reading_while_writing(path: Path) -> None:
    """A search goes on beside a writer, and sees its batches as they end."""
    writing = Index.open(path)
    reading = Index.open(path, read_only=True)
    assert reading.search(asked("alpha")) == []
    writing.add([located(mail("alpha"))])
    assert len(reading.search(asked("alpha"))) == 1
    reading.close()
    writing.close()


def test_first_opened_by_several(path: Path) -> None:
    """Several first runs at once make one index and do not trip over each other."""

    def count(_: int) -> int:
        with opened(path) as index:
            return index.count()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(count, range(4))) == [0] * 4


def test_reading_where_nothing_is(path: Path) -> None:
    """Reading an index that is not there says what to do, and makes none."""
    with pytest.raises(UsageError, match="nothing is indexed yet") as error:
        Index.open(path, read_only=True)
    assert "archiver index" in error.value.hint
    assert not path.exists()


def test_reading_an_empty_file(path: Path) -> None:
    """An index whose making was cut short is said to be incomplete."""
    path.touch()
    with pytest.raises(UsageError, match="not complete"):
        Index.open(path, read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_no_database(path: Path, read_only: bool) -> None:
    """A file that is no database is told with the way out, and left as it is."""
    path.write_bytes(b"Dear Zoe, " * 1000)
    with pytest.raises(IndexDamaged, match="damaged") as error:
        Index.open(path, read_only=read_only)
    assert error.value.hint == "archiver index, or the next archiver run, makes it again"
    assert path.read_bytes().startswith(b"Dear Zoe")


def page_of(path: Path, table: str) -> int:
    """The number of the page at which a table begins, counted from 0."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))
        return int(rows.fetchone()[0]) - 1


@pytest.mark.parametrize("table", ["words_data", "messages", "texts"])
@pytest.mark.parametrize("octet", [b"\0", b"\x55", b"\xff"])
def test_damaged_page(path: Path, table: str, octet: bytes) -> None:
    """Damage that shows only in a search is told, and remembered for the next one and for a run."""
    filled(path)
    octets = bytearray(path.read_bytes())
    page = page_of(path, table)
    octets[page * 4096 : (page + 1) * 4096] = octet * 4096
    path.write_bytes(octets)
    assert is_usable(path)
    index = Index.open(path, read_only=True)
    with pytest.raises(IndexDamaged) as error:
        index.search(asked("alpha"))
    index.close()
    assert "archiver index" in error.value.hint
    assert is_condemned(path)
    assert not is_usable(path)
    with pytest.raises(IndexDamaged):
        Index.open(path, read_only=True)


def test_damaged_text(path: Path) -> None:
    """Damage that SQLite does not see, inside a text, has the same way out."""
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE blocks SET octets = x'ffffffff'")
    connection.commit()
    connection.close()
    with pytest.raises(IndexDamaged), opened(path) as index:
        index.search(asked("alpha"))
    assert is_condemned(path)


def test_discarded(path: Path) -> None:
    """An index that is discarded leaves nothing behind, and there is room for a new one."""
    filled(path)
    condemn(path)
    path.with_name("index.db-wal").touch()
    discard(path)
    assert list(path.parent.iterdir()) == []
    discard(path)
    filled(path)
    assert is_usable(path)


def test_a_mark_that_cannot_be_left(tmp_path: Path) -> None:
    """Whoever may not write beside the index tells of the damage all the same."""
    condemn(tmp_path / "nowhere" / "index.db")
    assert not is_condemned(tmp_path / "nowhere" / "index.db")


def test_log_of_an_index_that_others_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was added is durable when the index is closed, also where a reader keeps the log."""
    filled(path)
    reading = Index.open(path, read_only=True)
    reading.count()
    writing = Index.open(path)
    writing.add([located(mail("beta"))])
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
    )
    writing.close()
    assert synced == ["index.db-wal", path.parent.name]
    reading.close()


def test_log_that_cannot_be_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that fails, nobody may believe that it is durable."""
    filled(path)
    reading = Index.open(path, read_only=True)
    reading.count()
    writing = Index.open(path)

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(LocalDiskError, match="Input/output error"):
            writing.close()
    reading.close()


def test_newer_schema(path: Path) -> None:
    """A file that a newer version has changed is refused."""
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
        ("index", "9999_future", "2030"),
    )
    connection.commit()
    connection.close()
    for read_only in (False, True):
        with pytest.raises(UsageError, match="newer version") as error:
            Index.open(path, read_only=read_only)
        assert "remove index.db" in error.value.hint
        assert not is_condemned(path)


def test_file_refused(tmp_path: Path) -> None:
    """A file that the system refuses to make is the local disk's fault."""
    with pytest.raises(LocalDiskError, match="cannot be made"):
        Index.open(tmp_path / ("x" * 300))


def test_directory_missing(tmp_path: Path) -> None:
    """A place that cannot be written is told as one."""
    with pytest.raises(LocalDiskError, match="cannot be used"):
        Index.open(tmp_path / "nowhere" / "index.db")


def test_in_use(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that keeps writing is told as one."""
    filled(path)
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    index = Index.open(path)
    with pytest.raises(AlreadyRunning, match="in use"):
        index.add([located(mail("alpha"))])
    index.close()
    other.close()


def test_other_errors_are_not_hidden(path: Path) -> None:
    """An error that has no explanation stays what it is."""
    index = Index.open(path)
    index.close()
    with pytest.raises(sqlite3.ProgrammingError):
        index.count()
