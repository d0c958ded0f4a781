"""The index is disposable: whatever becomes of its file, a run ends with all of it there again."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from command import PASSWORD, Archiver, one_clear_line

from infra.faulty_pop3 import FaultyPop3

WHERE = ("--store", "archive", "--state", "s")
NOTE = "index: it is damaged: it is made again from the raw messages"


def letter(number: int) -> tuple[str, bytes]:
    """A message with a word of its own, and one that all have."""
    text = f"Message-ID: <{number}@x>\r\nSubject: word{number}\r\n\r\neverywhere {number}\r\n"
    return f"u{number}", text.encode()


MAIL = [letter(number) for number in range(60)]


def options(server: FaultyPop3) -> tuple[str, ...]:
    """The options of a run from this server."""
    url = f"pop3+plain://{server.user}@127.0.0.1:{server.port}"
    return ("--server", url, "--password-env", PASSWORD, *WHERE, "--json")


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with a password."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def found(archiver: Archiver) -> set[str]:
    """The subjects of all messages that search finds."""
    done = archiver("search", "everywhere", "--state", "s", "--limit", "999", "--json")
    return {record["subject"] for record in done.records}


def subjects(count: int) -> set[str]:
    """Those that it should find."""
    return {f"word{number}" for number in range(count)}


def truncated(path: Path) -> None:
    """Loses the end of the index."""
    octets = path.read_bytes()
    path.write_bytes(octets[: len(octets) // 3 + 100])


def without_header(path: Path) -> None:
    """Has something else at the beginning of the index."""
    path.write_bytes(b"\x55" * 4096 + path.read_bytes()[4096:])


def without_words(path: Path) -> None:
    """Loses the pages that hold the words, and no other."""
    octets = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'words_data'")
        (page,) = rows.fetchone()
    octets[(page - 1) * 4096 : page * 4096] = b"\x55" * 4096
    path.write_bytes(octets)


def emptied(path: Path) -> None:
    """Loses all of the index but its name."""
    path.write_bytes(b"")


def removed(path: Path) -> None:
    """Loses all of it."""
    path.unlink()


@pytest.mark.parametrize(
    "damage", [truncated, without_header, without_words, emptied, removed], ids=lambda d: d.__name__
)
def test_a_run_makes_it_anew(damage: Callable[[Path], None], archiver: Archiver) -> None:
    """A run that meets a broken index, or none, archives what is new and indexes all there is."""
    with FaultyPop3(MAIL[:50]) as server:
        archiver("run", *options(server))
    assert found(archiver) == subjects(50)
    damage(archiver.home / "s" / "index.db")
    with FaultyPop3(MAIL) as server:
        done = archiver("run", *options(server))
        assert done.record["archived"] == 10
        assert done.stderr.count(NOTE) == (0 if damage in (emptied, removed) else 1)
        assert NOTE not in archiver("run", *options(server)).stderr
    assert found(archiver) == subjects(60)


@pytest.mark.parametrize("verb", ["run", "index"])
def test_a_search_meets_damage(verb: str, archiver: Archiver) -> None:
    """A search that meets damage says so and how to mend it; and that mends it, with no mail new.

    Nothing else would show the damage to whoever only writes.
    """
    with FaultyPop3(MAIL) as server:
        archiver("run", *options(server))
        without_words(archiver.home / "s" / "index.db")
        for _ in range(2):
            done = archiver("search", "everywhere", "--state", "s", code=2)
            assert one_clear_line(done) == "the index is damaged"
            assert "archiver index, or the next archiver run, makes it again" in done.stderr
        assert archiver(verb, *options(server)).stderr.count(NOTE) == 1
    assert found(archiver) == subjects(60)


def test_accounts_share_it(archiver: Archiver) -> None:
    """A run of one account that finds no index makes one that lacks the others, until they run."""
    with FaultyPop3(MAIL[:30]) as one, FaultyPop3(MAIL[30:], login=("other", "secret")) as other:
        archiver("run", *options(one))
        archiver("run", *options(other))
        removed(archiver.home / "s" / "index.db")
        archiver("run", *options(one))
        archiver("run", *options(other))
    assert found(archiver) == subjects(60)


def test_a_newer_version_wrote_it(archiver: Archiver) -> None:
    """An index of a newer version is refused and stays; the mail is archived all the same."""
    with FaultyPop3(MAIL[:50]) as server:
        archiver("run", *options(server))
    path = archiver.home / "s" / "index.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('index', '9999_future', '2030')"
        )
    with FaultyPop3(MAIL) as server:
        done = archiver("run", *options(server), code=2)
    assert one_clear_line(done) == "the index was written by a newer version of archiver"
    assert done.record["archived"] == 10
    assert one_clear_line(archiver("search", "word1", "--state", "s", code=2)).endswith("archiver")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone() == (50,)
