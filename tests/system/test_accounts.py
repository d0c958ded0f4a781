"""Several accounts of one file, side by side: the trouble of one is not the others'."""

import json
from pathlib import Path

import pytest
from by_hand import check_archive, objects_in_directory, read_mailbox
from command import PASSWORD, Archiver, account_of, one_clear_line, source

from infra.dovecot import Dovecot
from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import Mailbox
from infra.process import free_ports

GOOD = ("first", "second")


@pytest.fixture(scope="module")
def boxes(dovecot: Dovecot) -> dict[str, Mailbox]:
    """Two mailboxes with different mail and one message in common."""
    made = {name: Mailbox(dovecot, f"side-{name}", "correct horse") for name in GOOD}
    for name, box in made.items():
        dovecot.add_user(box.user, box.password)
        box.add(f"Subject: {name} {n}\n\ntext\n".encode() for n in range(30))
        box.add([b"Subject: to both\n\ntext\n"])
    return made


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the one password that all of these mailboxes have."""
    return Archiver(tmp_path, {PASSWORD: "correct horse", "WRONG": "battery staple"})


def write_settings(home: Path, boxes: dict[str, Mailbox], third: str) -> None:
    """An archiver.toml with the two good accounts and a third one between them."""
    first, second = (
        f'[accounts.{name}]\nserver = "pop3+plain://{box.user}@127.0.0.1:{box.port}"\n'
        f'password_env = "{PASSWORD}"\n'
        for name, box in boxes.items()
    )
    text = f'state = "s"\n[store]\nurl = "archive"\n{first}[accounts.Third]\n{third}{second}'
    (home / "archiver.toml").write_text(text)


def check_good(home: Path, boxes: dict[str, Mailbox]) -> None:
    """The two good accounts are archived, each under its own name."""
    objects = objects_in_directory(home / "archive")
    for name, box in boxes.items():
        check_archive(objects, name, read_mailbox(box.port, box.user, box.password))
    assert not [key for key in objects if "third" in key.lower()]


def test_a_wrong_password(boxes: dict[str, Mailbox], archiver: Archiver) -> None:
    """An account that is not let in ends with exit code 4, and the others are archived."""
    box = boxes["first"]
    server = f'server = "pop3+plain://{box.user}@127.0.0.1:{box.port}"\npassword_env = "WRONG"\n'
    write_settings(archiver.home, boxes, server)
    done = archiver("run", "--json", code=4)
    assert one_clear_line(done).startswith("third: ")
    assert "battery" not in done.stderr
    reports = {report["account"]: report for report in done.records}
    assert list(reports) == ["first", "third", "second"]
    assert [reports[name]["archived"] for name in reports] == [31, 0, 31]
    check_good(archiver.home, boxes)


def test_an_unreachable_server(boxes: dict[str, Mailbox], archiver: Archiver) -> None:
    """An account whose server is not there ends with exit code 5, and the others are archived."""
    server = f"pop3+plain://me@127.0.0.1:{free_ports(1)[0]}"
    write_settings(archiver.home, boxes, f'server = "{server}"\npassword_env = "{PASSWORD}"\n')
    done = archiver("run", code=5)
    assert one_clear_line(done).endswith(" refuses connections")
    check_good(archiver.home, boxes)


def test_a_locked_account(boxes: dict[str, Mailbox], archiver: Archiver) -> None:
    """An account that another run works on ends with exit code 8 and says which run that is."""
    with FaultyPop3(
        [("u1", b"a: b\r\n\r\nc\r\n")], login=("me", "correct horse"), stall=(1, 3)
    ) as pop:
        server = f'server = "pop3+plain://me@127.0.0.1:{pop.port}"\npassword_env = "{PASSWORD}"\n'
        write_settings(archiver.home, boxes, server)
        other = archiver.start("fetch", "THIRD")
        try:
            while not any(command.startswith("RETR") for command in pop.commands):
                assert other.poll() is None
            done = archiver("run", code=8)
        finally:
            other.kill()
            other.communicate()
    line = one_clear_line(done)
    assert f"account third is in use by archiver fetch, process {other.pid}, since 2" in line
    check_good(archiver.home, boxes)


def test_all_at_once(boxes: dict[str, Mailbox], archiver: Archiver) -> None:
    """Of several troubles the most pressing gives the exit code, and each is told."""
    box = boxes["first"]
    third = (
        f'server = "pop3+plain://{box.user}@127.0.0.1:{box.port}"\npassword_env = "WRONG"\n'
        f'[accounts.fourth]\nserver = "pop3s://me@127.0.0.1:{free_ports(1)[0]}"\n'
        f'password_env = "{PASSWORD}"\n'
    )
    write_settings(archiver.home, boxes, third)
    done = archiver("run", code=5)
    errors = sorted(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert [line.split(":")[1].strip() for line in errors] == ["fourth", "third"]
    check_good(archiver.home, boxes)


def test_accounts_by_name(boxes: dict[str, Mailbox], archiver: Archiver) -> None:
    """Accounts named on the command line are run alone."""
    write_settings(archiver.home, boxes, 'server = "pop3s://me@192.0.2.1"\n')
    reports = archiver("run", "second", "FIRST", "--json").records
    assert [report["account"] for report in reports] == ["first", "second"]
    check_good(archiver.home, boxes)


def test_two_processes(boxes: dict[str, Mailbox], archiver: Archiver) -> None:
    """Runs of different accounts, started at the same moment, share one state and one store."""
    write_settings(archiver.home, boxes, 'server = "pop3s://me@192.0.2.1"\n')
    started = [archiver.start("run", name, "--json", "--workers", "1") for name in GOOD]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    reports = [json.loads(stdout) for stdout, _ in ended]
    assert [report["archived"] for report in reports] == [31, 31]
    check_good(archiver.home, boxes)
    keys = objects_in_directory(archiver.home / "archive")
    writers = {key.split("/")[2] for key in keys if key.startswith("manifests/")}
    assert len(writers) == 1, "one state directory is one writer"
    both = archiver("search", "to both", "--state", "s", "--json").record
    assert both["accounts"] == sorted(GOOD)
    again = archiver("run", *GOOD, "--json").records
    assert [report["known"] for report in again] == [31, 31]


def test_two_stores(mailbox: Mailbox, tmp_path: Path) -> None:
    """A mailbox may be archived into a second store, from which each run goes on by itself."""
    command = Archiver(tmp_path, {PASSWORD: mailbox.password})
    mailbox.add(f"Subject: {n}\n\ntext\n".encode() for n in range(3))
    first = (*source(mailbox), "--store", "one", "--state", "s", "--json")
    second = (*source(mailbox), "--store", "two", "--state", "s", "--json")
    assert command("run", *first).record["fetched"] == 3
    done = command("run", *second)
    assert (done.record["fetched"], done.record["archived"]) == (3, 3)
    assert "another archive" in done.stderr
    mailbox.add([b"Subject: new\n\ntext\n"])
    for options in (second, first):
        done = command("run", *options)
        assert (done.record["known"], done.record["fetched"]) == (3, 1)
        assert "another archive" not in done.stderr
    messages = read_mailbox(mailbox.port, mailbox.user, mailbox.password)
    for store in ("one", "two"):
        check_archive(objects_in_directory(tmp_path / store), account_of(mailbox), messages)
    rows = command("status", "--state", "s", "--json").records
    assert [row["stages"]["archived"] for row in rows] == [4, 4]
