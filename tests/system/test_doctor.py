"""``archiver doctor`` as a person runs it: against a real Dovecot, a real Ceph and a directory."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from by_hand import Place, client_of
from command import PASSWORD, Archiver, Done, account_of, source

from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import Bucket, Mailbox
from infra.process import free_ports

MAIL = [b"Message-ID: <%d@x>\nSubject: %d\n\nhello\n" % (n, n) for n in range(5)]
STATE = ("--state", "s")


def topics(done: Done, mark: str) -> list[str]:
    """The topics of all findings with a mark, from what people see."""
    return re.findall(rf"^  {mark} +([a-z-]+(?: [a-z]+)?)  ", done.stdout, re.MULTILINE)


def flags(mailbox: Mailbox) -> list[str]:
    """How the mailbox's files are marked on the disk: S for seen, T for deleted."""
    folder = mailbox.server._mail / mailbox.user / "Maildir"
    files = [one for name in ("new", "cur") for one in (folder / name).iterdir()]
    return sorted({one.name.rpartition(":2,")[2] if ":2," in one.name else "" for one in files})


@pytest.mark.parametrize("scheme", ["pop3s", "pop3", "pop3+plain"])
def test_everything_is_well(
    scheme: str, mailbox: Mailbox, archiver: Archiver, place: Place
) -> None:
    """Mailbox, store and machine are examined, all is well, and all stays as it was."""
    mailbox.add(MAIL)
    if place.url.startswith("/"):
        Path(place.url).mkdir()
    archiver.environment |= place.environment
    done = archiver("doctor", *source(mailbox, scheme), "--store", place.url, *STATE)
    assert topics(done, "problem") == []
    assert done.stderr == ""
    assert mailbox.password not in done.stdout
    for topic in ("certificate", "tls") if scheme != "pop3+plain" else ("sign-in",):
        assert topic in topics(done, "ok")
    for topic in ("uidl", "list", "top", "octets", "pipelining", "write", "proofs", "versions"):
        assert topic in topics(done, "ok"), done.stdout
    assert (mailbox.left(), flags(mailbox)) == (MAIL, [""])
    assert place.objects() == {}
    assert not (archiver.home / "s").exists()


def test_a_run_afterwards_and_before(mailbox: Mailbox, archiver: Archiver) -> None:
    """Neither a run nor the doctor is in the other's way, and the ledger is read as it is."""
    mailbox.add(MAIL)
    options = (*source(mailbox), "--store", "archive", *STATE)
    archiver("doctor", *options)
    assert archiver("run", *options, "--json").record["archived"] == len(MAIL)
    account, store, here = archiver("doctor", *options, "--json").records
    assert account["messages"] == len(MAIL)
    assert (store["format"], here["has_ledger"], here["clock_sane"]) == (True, True, True)
    assert archiver("run", *options, "--json").record["known"] == len(MAIL)


def test_json(mailbox: Mailbox, archiver: Archiver) -> None:
    """One object a line for each thing, with the same names whatever went wrong."""
    options = (*source(mailbox, "pop3s"), "--store", "archive", *STATE, "--json")
    well = archiver("doctor", *options).records
    archiver.environment[PASSWORD] = "hunter2"
    wrong = archiver("doctor", *options, code=4)
    assert "hunter2" not in wrong.stdout + wrong.stderr
    assert [one["kind"] for one in well] == ["account", "store", "here"]
    assert [one["exit_code"] for one in wrong.records] == [4, 0, 0]
    for one, other in zip(well, wrong.records, strict=True):
        assert one.keys() == other.keys()
    account = well[0]
    assert account["name"] == account_of(mailbox)
    assert (account["mechanism"], account["messages"]) == ("plain", 0)
    assert account["tls"]["version"] == "TLS 1.3"
    assert {"topic", "mark", "seen", "advice", "exit_code"} == account["findings"][0].keys()


def test_without_a_store(mailbox: Mailbox, archiver: Archiver) -> None:
    """With a server and no store the mailbox and this machine are examined."""
    records = archiver("doctor", *source(mailbox), *STATE, "--json").records
    assert [one["kind"] for one in records] == ["account", "here"]


def test_a_pinned_certificate(mailbox: Mailbox, archiver: Archiver) -> None:
    """The fingerprint that the doctor shows of an untrusted server is the one to pin."""
    options = [one for one in source(mailbox, "pop3s") if one != "--ca-file"][:4]
    seen = archiver("doctor", *options, *STATE, "--json", code=5).records[0]["tls"]
    assert seen["verified_by"] == ""
    pin = ("--tls-fingerprint", seen["fingerprint"])
    account = archiver("doctor", *options, *pin, *STATE, "--json").records[0]
    assert account["tls"] == {**seen, "verified_by": "fingerprint"}


def test_a_server_that_is_away(archiver: Archiver) -> None:
    """A failing mail server still has the store examined, and the exit code is 5."""
    (port,) = free_ports(1)
    (archiver.home / "archive").mkdir()
    server = ("--server", f"pop3s://me@127.0.0.1:{port}", "--password-env", PASSWORD)
    done = archiver("doctor", *server, "--store", "archive", *STATE, code=5)
    assert topics(done, "problem") == ["connection"]
    assert "proofs" in topics(done, "ok")


def test_a_host_that_nobody_knows(archiver: Archiver) -> None:
    """A name without an address is said at the name."""
    server = ("--server", "pop3s://me@nowhere.invalid", "--password-env", PASSWORD)
    done = archiver("doctor", *server, *STATE, code=5)
    assert topics(done, "problem") == ["name"]


def test_several_accounts(mailbox: Mailbox, archiver: Archiver, bucket: Bucket) -> None:
    """All accounts of the file are examined, and the most pressing problem is the exit code."""
    mailbox.add(MAIL)
    (archiver.home / "archiver.toml").write_text(
        f"""
        [store]
        url = "s3://{bucket.name}-none/mail"
        [accounts.good]
        server = "pop3+plain://{mailbox.user}@127.0.0.1:{mailbox.port}"
        password_env = "{PASSWORD}"
        [accounts.wrong]
        server = "pop3+plain://nobody@127.0.0.1:{mailbox.port}"
        password_env = "{PASSWORD}"
        """
    )
    archiver.environment |= bucket.environment
    done = archiver("doctor", *STATE, "--json", code=6)
    codes = {one["name"]: one["exit_code"] for one in done.records if one["kind"] != "here"}
    assert codes == {"good": 0, "wrong": 4, f"s3://{bucket.name}-none/mail": 6}
    named = archiver("doctor", "good", *STATE, "--json", code=6).records
    assert [one["name"] for one in named if one["kind"] == "account"] == ["good"]
    archiver("doctor", "other", *STATE, code=2)


def test_a_bucket_of_one_who_may_not(mailbox: Mailbox, archiver: Archiver, bucket: Bucket) -> None:
    """A wrong secret of the store is named, and shown nowhere."""
    secret = {**bucket.environment, "AWS_SECRET_ACCESS_KEY": "hunter2hunter2"}
    options = (*source(mailbox), "--store", f"s3://{bucket.name}/mail", *STATE)
    done = archiver("doctor", *options, code=6, environment=secret)
    assert topics(done, "problem") == ["bucket"]
    assert "hunter2" not in done.stdout + done.stderr
    assert "Contents" not in client_of(bucket).list_objects_v2(Bucket=bucket.name)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that cannot be written."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_read_only(mailbox: Mailbox, archiver: Archiver, read_only: Path) -> None:
    """A store and a state that cannot be written are told, each in its place."""
    options = source(mailbox)
    done = archiver("doctor", *options, "--store", "disk", *STATE, code=6)
    assert topics(done, "problem") == ["write"]
    assert "Read-only" in done.stdout
    done = archiver("doctor", *options, "--store", "disk/archive", *STATE, code=6)
    assert topics(done, "problem") == ["directory"]
    done = archiver("doctor", *options, "--state", "disk/s", code=3)
    assert topics(done, "problem") == ["state"]


def test_on_a_terminal(archiver: Archiver) -> None:
    """On a terminal the marks have colours, and what a server says cannot move the cursor."""
    with FaultyPop3([("u", MAIL[0])], greeting=b"+OK \x1b[2J[bold]ready[/bold]\r\n") as server:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "archiver", "doctor", *STATE]
        command += ["--server", f"pop3+plain://user@127.0.0.1:{server.port}"]
        command += ["--password-env", PASSWORD]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(archiver.home),
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            PASSWORD: "secret",
        }
        with subprocess.Popen(
            command, cwd=archiver.home, env=environment, stdout=theirs
        ) as process:
            os.close(theirs)
            shown = _read(ours).decode()
        assert process.returncode == 0
    assert "\x1b[32mok" in shown
    assert "\x1b[33mnote" in shown
    assert "\x1b[2J" not in shown
    assert "[2J[bold]ready[/bold]" in shown


def _read(descriptor: int) -> bytes:
    shown = b""
    while True:
        try:
            octets = os.read(descriptor, 65536)
        except OSError:
            octets = b""  # the other end was closed
        if not octets:
            os.close(descriptor)
            return shown
        shown += octets
