"""Two machines, each with a state directory of its own, with one account and one archive."""

import os
import subprocess
from pathlib import Path
from time import sleep, time

import pytest
from by_hand import check_archive, objects_in_directory
from command import PASSWORD, Archiver, one_clear_line

from archiver.format import time_text
from infra.faulty_pop3 import FaultyPop3, Message
from infra.fixtures import Bucket

ACCOUNT = "user@127.0.0.1"
MAIL = [(f"u{n}", b"Subject: number %d\r\n\r\ntext\r\n" % n) for n in range(600)]
# The first batch is full before this message comes, and it never comes whole.
STALL = (550, 10)


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the password of the server in this process."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def options(server: FaultyPop3, state: str, store: str = "archive") -> list[str]:
    """The options of a machine with this state directory."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    return ["--server", url, "--password-env", PASSWORD, "--store", store, "--state", state]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Waits until a file is there that a process is going to make."""
    while not path.exists():
        assert process.poll() is None
        sleep(0.02)


def end(process: subprocess.Popen[str]) -> None:
    """Kills a machine in the middle of its work."""
    process.kill()
    process.communicate()


def test_the_second_machine_leaves_the_work_to_the_first(archiver: Archiver) -> None:
    """It ends with 8 and says who is at work; what it fetched is archived by its next run."""
    lease = archiver.home / f"archive/state/lease/{ACCOUNT}.json"
    with FaultyPop3(MAIL, stall=STALL) as slow, FaultyPop3(MAIL) as pop:
        first = archiver.start("run", *options(slow, "one"))
        try:
            wait_for(lease, first)
            done = archiver("run", *options(pop, "two"), "--json", code=8)
            assert first.poll() is None
        finally:
            end(first)
        line, report = one_clear_line(done), done.record
        assert f"account {ACCOUNT} is in use by archiver on {os.uname().nodename}," in line
        assert f"process {first.pid}, since 2" in line
        assert report["archived"] == 0
        assert report["listed"] == 600 == report["fetched"] + report["remaining"]
        assert report["fetched"] > 0

        # Its own next run goes on at once, and at its end nobody is kept out any more.
        assert archiver("run", *options(pop, "one"), "--json").record["listed"] == 600
        assert not lease.exists()
        objects = objects_in_directory(archiver.home / "archive")
        check_archive(objects, ACCOUNT, [octets for _, octets in MAIL])
        report = archiver("run", *options(pop, "two"), "--json").record
        assert report["archived"] == 600
        assert not lease.exists()


def test_an_idle_run_asks_nothing_of_the_store(archiver: Archiver) -> None:
    """A run that finds nothing new minds no lease, and takes none."""
    lease = archiver.home / f"archive/state/lease/{ACCOUNT}.json"
    with FaultyPop3(MAIL[:3]) as pop:
        archiver("run", *options(pop, "one"))
        lease.parent.mkdir(parents=True, exist_ok=True)
        until = time_text(time() + 600)
        held = f'{{"holder": "x", "host": "h", "pid": 1, "since": "{until}", "until": "{until}"}}'
        lease.write_text(held)
        assert archiver("run", *options(pop, "one"), "--json").record["known"] == 3
        assert lease.read_text() == held
        pop.mailbox.append(Message("new", b"Subject: new\r\n\r\n"))
        done = archiver("run", *options(pop, "one"), code=8)
        assert one_clear_line(done).endswith(f" until {until}")
        done = archiver("upload", *options(pop, "one"), code=8)
        assert "archiver on h, process 1," in one_clear_line(done)


def test_a_store_without_guarded_exchanges(
    archiver: Archiver, bucket: Bucket, tmp_path: Path
) -> None:
    """Where exchanges are not guarded, as by this Ceph, two machines work side by side."""
    archiver.environment.update(bucket.environment)
    store = f"s3://{bucket.name}/x"
    with FaultyPop3(MAIL, stall=STALL) as slow, FaultyPop3(MAIL) as pop:
        first = archiver.start("run", *options(slow, "one", store))
        try:
            wait_for(tmp_path / "one/spool", first)
            report = archiver("run", *options(pop, "two", store), "--json").record
            assert report["archived"] == 600
            assert first.poll() is None
        finally:
            end(first)
