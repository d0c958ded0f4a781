import os
import sqlite3
from pathlib import Path

import pytest
from doctor_helpers import NOW, last, problems

from archiver.ledger import Ledger
from archiver.state import StatePaths
from archiver.verbs.doctor import disk, here
from archiver.verbs.doctor.findings import Mark
from archiver.verbs.doctor.here import examine_here


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a ledger."""
    paths = StatePaths(tmp_path / "state")
    paths.create()
    Ledger.open(paths.ledger).close()
    return paths.root


def test_a_state(state: Path) -> None:
    """A state directory with its ledger is well, and stays as it is."""
    before = sorted(state.rglob("*"))
    found = examine_here(state, NOW)
    assert [one.mark for one in found.findings] == [Mark.OK] * len(found.findings)
    assert found.facts["private"] and found.facts["writable"] and found.facts["has_ledger"]
    assert found.facts["versions"].keys() == {"archiver", "python", "sqlite", "openssl"}
    assert sorted(state.rglob("*")) == before


def test_no_state_yet(tmp_path: Path) -> None:
    """A state directory that is not there is a note, and is not made."""
    found = examine_here(tmp_path / "a" / "state", NOW)
    assert (problems(found), found.facts["exists"]) == ([], False)
    assert not (tmp_path / "a").exists()


def test_a_state_for_all_to_see(state: Path) -> None:
    """A state directory that others may look into holds mail, which is said."""
    state.chmod(0o755)
    assert "holds mail" in last(examine_here(state, NOW), "state").seen


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A file where the state should be is a matter of usage."""
    (tmp_path / "file").touch()
    found = examine_here(tmp_path / "file" / "state", NOW)
    assert (problems(found), found.exit_code) == (["state"], 2)


def test_a_state_that_is_read_only(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory that may not be written is exit code 3."""
    monkeypatch.setattr(here, "_writable", lambda place: False)
    found = examine_here(state, NOW)
    assert (problems(found), found.exit_code) == (["state"], 3)
    assert found.facts["writable"] is False


def test_what_can_be_written(tmp_path: Path) -> None:
    """Whether a place can be written is the system's word, and it is asked for what is there."""
    assert disk.nearest(tmp_path / "a" / "b") == tmp_path
    assert here._writable(tmp_path)
    assert os.geteuid() != 0 or not here._writable(Path("/proc/sys"))


def change(state: Path, statement: str) -> None:
    """Changes the ledger behind the program's back."""
    with sqlite3.connect(StatePaths(state).ledger) as database:
        database.execute(statement)
    database.close()


def test_ledgers_of_other_versions(state: Path) -> None:
    """An older ledger is a note, since a run brings it up to date; a newer one is a problem."""
    change(state, "DELETE FROM _sqlite_migrations WHERE id > 1")
    found = examine_here(state, NOW)
    assert (last(found, "ledger").mark, found.facts["ledger_version"]) == (Mark.NOTE, 1)
    change(
        state,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('ledger', 'm999_future', '')",
    )
    found = examine_here(state, NOW)
    assert "newer version" in last(found, "ledger").seen
    assert found.exit_code == 2


def test_a_file_that_is_no_ledger(state: Path) -> None:
    """What cannot be read as a ledger is a problem."""
    StatePaths(state).ledger.write_bytes(b"nothing of the kind" * 500)
    found = examine_here(state, NOW)
    assert (problems(found), found.exit_code) == (["ledger"], 2)


def test_a_clock_that_lags(state: Path) -> None:
    """A clock of years ago, or behind what was already archived, is a problem."""
    assert "years behind" in last(examine_here(state, 1e9), "clock").seen
    change(state, "INSERT INTO stores (id, url) VALUES (1, 'file:///a')")
    change(state, "INSERT INTO accounts (id, name, store_id, host) VALUES (1, 'me', 1, 'h')")
    change(
        state,
        "INSERT INTO messages (account_id, uidl, stage, listed_at, fetched_at)"
        f" VALUES (1, 'u', 'archived', 1, {int(NOW)})",
    )
    assert problems(examine_here(state, NOW)) == []
    found = examine_here(state, NOW - 3600)
    assert "behind what was already archived" in last(found, "clock").seen
    assert found.facts["clock_sane"] is False
