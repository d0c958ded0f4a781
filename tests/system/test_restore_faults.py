"""Restores that are cut off or killed: in the end every message is there, and none twice."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from command import one_clear_line
from restores import ODD, Archive, account_on, archived, letter

from archiver.cli.progress import PlainReporter
from archiver.verbs.restore import restore as restore_module
from infra.dovecot_imap import DovecotImap
from infra.relay import Relay

COUNT = 80
SERVERS = ("", "IMAP4rev1 LITERAL+", "IMAP4rev1")
Like = Callable[..., AbstractContextManager[DovecotImap]]


@pytest.fixture(scope="module")
def archive(dovecot_imap: DovecotImap, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """An archive whose restore takes several batches."""
    # Some are as long as others, with a Message-ID or without one.
    messages = [letter(number, 200 + number % 7 * 100) for number in range(COUNT)]
    nameless = [b"Subject: nameless\r\n\r\n%03d\r\n" % number for number in range(20)]
    every = messages + nameless + list(ODD)
    return archived(dovecot_imap, tmp_path_factory.mktemp("archive"), every)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are made again without a wait."""
    monkeypatch.setattr(restore_module, "_FIRST_WAIT", 0.001)


@pytest.mark.parametrize(
    ("side", "capability"),
    [("cuts", SERVERS[0]), ("halts", SERVERS[0]), ("halts", SERVERS[1]), ("cuts", SERVERS[2])],
)
def test_lost_connections(
    archive: Archive, tmp_path: Path, dovecot_imap_like: Like, capability: str, side: str
) -> None:
    """Connections that break while either side speaks are made again: all arrives, each once."""
    dice = random.Random(f"{capability} {side}")
    with dovecot_imap_like(capability=capability) as server:
        account = account_on(server)
        restore = archive.copy(tmp_path)
        if side == "cuts":
            faults = {"cuts": [dice.randrange(1500, 5000) for _ in range(4)]}
        else:
            faults = {"halts": [dice.randrange(200, 80_000) for _ in range(3)]}
        with Relay(server.imap_port, **faults) as relay:
            restore(account.url("Mail", port=relay.port))
            (again,) = restore.records(account.url("Mail", port=relay.port))
        assert account.everything() == Counter(archive.messages), faults
        assert (again["known"], again["appended"]) == (len(archive.messages), 0)


@pytest.mark.parametrize("capability", SERVERS[:2])
def test_killed_at_any_moment(
    archive: Archive, tmp_path: Path, dovecot_imap_like: Like, capability: str
) -> None:
    """Killed again and again, with and without its record, a restore ends as one that was not."""
    dice = random.Random(capability)
    with dovecot_imap_like(capability=capability) as server:
        account = account_on(server)
        restore = archive.copy(tmp_path)
        command = restore.arguments(account.url("Mail"))
        for _ in range(2):
            restore.archiver.kill_after(dice.uniform(0.35, 0.75), *command)
            assert max(account.everything().values(), default=1) == 1
        (restore.state / "restored.db").unlink(missing_ok=True)
        restore.archiver.kill_after(dice.uniform(0.45, 0.6), *command)
        restore(account.url("Mail"))
        assert account.everything() == Counter(archive.messages)


def test_a_server_that_does_not_come_back(
    archive: Archive, tmp_path: Path, dovecot_imap: DovecotImap
) -> None:
    """After several connections that came to nothing it ends with 5; the next run goes on."""
    restore, account = archive.copy(tmp_path), account_on(dovecot_imap)
    with Relay(dovecot_imap.imap_port, halts=[60_000, *[150] * 20]) as relay:
        url = account.url("Mail", port=relay.port)
        done = restore(url, code=5)
    assert "more connections came to nothing" in one_clear_line(done)
    assert "left for the next run" in done.stdout
    restore(account.url("Mail"))
    assert account.everything() == Counter(archive.messages)


def test_a_message_at_which_connections_are_lost(
    archive: Archive, tmp_path: Path, dovecot_imap: DovecotImap
) -> None:
    """A message that no connection survives is refused by name, and the others arrive."""
    restore, account = archive.copy(tmp_path), account_on(dovecot_imap)
    longest = len(ODD[4])
    # What comes before it takes less; a connection ends well within it.
    with Relay(dovecot_imap.imap_port, halts=[250_000] * 40) as relay:
        (done,) = restore.records(account.url("Mail", port=relay.port), code=3)
    assert [one["size"] for one in done["refusals"]] == [longest]
    assert account.everything() == Counter(archive.messages) - Counter([ODD[4]])


def test_interrupted(
    archive: Archive,
    tmp_path: Path,
    dovecot_imap: DovecotImap,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C ends it with 130 once the batch in hand is there; the next run does the rest."""
    restore, account = archive.copy(tmp_path), account_on(dovecot_imap)
    with monkeypatch.context() as pressed:
        pressed.setattr(PlainReporter, "progress", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        (first,) = restore.records(account.url("Mail"), code=130)
    assert 0 < first["appended"] < len(archive.messages)
    assert first["appended"] + first["left"] == first["wanted"]
    assert account.everything().total() == first["appended"]
    (second,) = restore.records(account.url("Mail"))
    assert (second["known"], second["found"]) == (first["appended"], 0)
    assert account.everything() == Counter(archive.messages)
