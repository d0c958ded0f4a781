"""A state directory that is lost, and made again from the store alone."""

import poplib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from by_hand import Place, objects_in_directory
from command import PASSWORD, Archiver, account_of, one_clear_line, source
from ledger_dump import dump
from letters import whole_mailbox

from archiver.ledger import Ledger
from infra.bench.mailbox import make_messages
from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import Mailbox

Run = Callable[..., dict[str, Any]]


def knows(home: Path, state: str, *, proofs: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """What the ledger in a state directory knows."""
    with Ledger.open(home / state / "ledger.db") as ledger:
        return dump(ledger, proofs=proofs)


def lose(archiver: Archiver) -> None:
    """The state directory is gone; a copy shows what was in it."""
    (archiver.home / "s").rename(archiver.home / "lost")


def lasting(place: Place) -> dict[str, bytes]:
    """The objects of a store that are written once."""
    return {key: what for key, what in place.objects().items() if not key.startswith("state/")}


def remove(mailbox: Mailbox, *numbers: int) -> None:
    """Deletes messages with another client."""
    client = poplib.POP3("127.0.0.1", mailbox.port)
    client.user(mailbox.user)
    client.pass_(mailbox.password)
    for number in numbers:
        client.dele(number)
    client.quit()


def found(archiver: Archiver, state: str) -> list[dict[str, Any]]:
    """What a search finds for a word that most of these messages have."""
    hits = archiver("search", "example", "--state", state, "--limit", "9999", "--json").records
    return sorted(hits, key=lambda hit: str(hit["digest"]))


def test_everything_that_can_be_known(mailbox: Mailbox, place: Place, tmp_path: Path) -> None:
    """Batches, links, shared parts, what vanished, what was deleted: nothing is fetched twice."""
    run = Archiver(tmp_path, {PASSWORD: mailbox.password, **place.environment})
    options = [*source(mailbox), "--store", place.url, "--state", "s", "--json"]
    mailbox.add(whole_mailbox(60, seed=11))
    run("run", *options, "--limit", "20", code=0)
    run("run", *options)
    remove(mailbox, 1, 30)
    run("run", *options, "--delete", "verified", "--larger-than", "20000")
    (mail,) = make_messages(1, "mixed", 12)
    mailbox.add([mail.replace(b"\r\n", b"\n")])
    last = run("run", *options).record
    before = knows(tmp_path, "s", proofs=False)
    stages = {row[5] for row in before["messages"]}
    assert {"archived", "linked", "vanished", "gone"} <= stages
    lose(run)

    done = run("rebuild", "--store", place.url, "--state", "s", "--json").record
    assert (done["account"], done["installed"]) == (account_of(mailbox), True)
    assert (done["breaks"], done["dropped"], done["set_aside"]) == ([], 0, None)
    assert done["snapshot"] is not None
    assert done["head"] == last["head"]
    assert knows(tmp_path, "s", proofs=False) == before
    hits = found(run, "s")
    assert hits
    assert hits == found(run, "lost")

    if (snapshots := Path(place.url) / "state/ledger").is_dir():
        shutil.rmtree(snapshots)
        done = run("rebuild", "--store", place.url, "--state", "t", "--json").record
        assert (done["snapshot"], done["manifests"] > 3) == (None, True)
        assert knows(tmp_path, "t", proofs=False) == before

    objects = lasting(place)
    again = run("run", *options).record
    assert (again["fetched"], again["linked"], again["vanished"]) == (0, 0, 0)
    assert again["known"] == again["listed"] > 0
    assert again["head"] == last["head"]
    assert lasting(place) == objects


def test_second_writer(archiver: Archiver, mailbox: Mailbox) -> None:
    """Two chains, which began when a copy of the state came back, are one ledger."""
    options = [*source(mailbox), "--store", "archive", "--state", "s", "--json"]
    messages = [each.replace(b"\r\n", b"\n") for each in make_messages(9, "mixed", 13)]
    mailbox.add(messages[:4])
    archiver("run", *options)
    shutil.copytree(archiver.home / "s", archiver.home / "older")
    mailbox.add(messages[4:6])
    archiver("run", *options)
    shutil.rmtree(archiver.home / "s")
    shutil.copytree(archiver.home / "older", archiver.home / "s")
    mailbox.add(messages[6:])
    # Manifests tell their times to the second, and the newest head is asked for.
    time.sleep(1.1)
    last = archiver("run", *options).record
    shutil.rmtree(archiver.home / "s")

    done = archiver("rebuild", "--store", "archive", "--state", "s", "--json").record
    assert (done["messages"], done["indexed"]) == (9, 9)
    assert done["head"] == last["head"]
    assert len(knows(archiver.home, "s")["heads"]) == 2
    again = archiver("run", *options).record
    assert (again["listed"], again["known"], again["fetched"]) == (9, 9, 0)
    mailbox.add([b"Subject: new\n\nthe new one\n"])
    assert archiver("run", *options).record["fetched"] == 1
    assert len(knows(archiver.home, "s")["heads"]) == 3


def configure(home: Path, server: FaultyPop3) -> None:
    """A file of settings, by which a message is held after two tries."""
    (home / "archiver.toml").write_text(
        f'state = "s"\n[store]\nurl = "archive"\n[accounts.mine]\n'
        f'server = "pop3+plain://user@127.0.0.1:{server.port}"\n'
        f'password_env = "{PASSWORD}"\ntries = 2\n'
    )


def letter(number: int) -> bytes:
    """A message."""
    return b"Message-ID: <%d@example.com>\r\n\r\ntext %d\r\n" % (number, number)


@pytest.fixture
def alone(tmp_path: Path) -> Archiver:
    """The command, with the password of the server in this process."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def test_held_and_distrusted(alone: Archiver) -> None:
    """What waits for a person goes on waiting; an account once distrusted is not trusted again."""
    mail = [(f"u{number}", letter(number)) for number in range(4)]
    with FaultyPop3(mail, refuse={2: "gone bad"}) as server:
        configure(alone.home, server)
        alone("run", code=3)
        alone("run", code=3)
        before = knows(alone.home, "s")
        assert len(before["held"]) == 1
        lose(alone)
        alone("rebuild")
        assert knows(alone.home, "s") == before
        held = alone("run", "--json", code=3).record
        assert (held["known"], held["fetched"], held["failed"], held["held"]) == (3, 0, 1, 1)
        assert server.commands.count("RETR 2") == 2
        assert len(alone("release", "mine", "u1", "--json").records) == 1
    doubled = [("same", letter(number)) for number in range(3)]
    with FaultyPop3(doubled) as server:
        configure(alone.home, server)
        shutil.rmtree(alone.home / "archive")
        shutil.rmtree(alone.home / "s")
        assert alone("run", "--json").record["fetched"] == 3
        before = knows(alone.home, "s")
        assert before["accounts"][0][4] == "two messages shared one UIDL"
        shutil.rmtree(alone.home / "s")
        alone("rebuild", "mine")
        assert knows(alone.home, "s") == before
        again = alone("run", "--json").record
        assert (again["listed"], again["known"], again["fetched"]) == (3, 3, 0)


def test_retiring_server(alone: Archiver) -> None:
    """What a server hides at QUIT is not taken for vanished by the ledger that was made again."""
    mail = [(f"u{number}", letter(number)) for number in range(5)]
    with FaultyPop3(mail, expire=0) as server:
        configure(alone.home, server)
        assert alone("run", "--json").record["archived"] == 5
        before = knows(alone.home, "s")
        shutil.rmtree(alone.home / "s")
        alone("rebuild", "--ledger-only")
        assert knows(alone.home, "s") == before
        assert not (alone.home / "s" / "index.db").exists()
        again = alone("run", "--json").record
        assert (again["listed"], again["fetched"], again["vanished"]) == (0, 0, 0)
        assert len(alone("search", "text", "--json").records) == 5


def test_what_a_person_reads(alone: Archiver) -> None:
    """Refusals are one line with a way out; a broken chain is told, and used only on demand."""
    with FaultyPop3([("u0", letter(0)), ("u1", letter(1))]) as server:
        configure(alone.home, server)
        alone("run", "--limit", "1")
        alone("run")
        assert "a ledger already" in one_clear_line(alone("rebuild", code=2))
        assert "is now in" in alone("rebuild", "--replace").stderr
        assert "no manifests" in one_clear_line(
            alone("rebuild", "--store", "elsewhere", "--state", "t", code=9)
        )
        shutil.rmtree(alone.home / "s")
        (first, *_) = sorted((alone.home / "archive/manifests/mine").rglob("*.gz"))
        first.write_bytes(b"noise")
        before = objects_in_directory(alone.home / "archive")
        done = alone("rebuild", code=7)
        assert "nothing was changed" in one_clear_line(done)
        assert f"manifest 1 of writer {first.parent.name} cannot be decoded" in done.stderr
        assert not (alone.home / "s" / "ledger.db").exists()
        done = alone("rebuild", "--partial", "--json", code=7)
        (broken,) = done.record["breaks"]
        assert (broken["sequence"], done.record["messages"]) == (1, 1)
        assert objects_in_directory(alone.home / "archive") == before
        again = alone("run", "--json").record
        assert (again["listed"], again["known"], again["fetched"]) == (2, 1, 1)
