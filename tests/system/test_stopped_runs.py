"""A run that is asked to end, by a person or the system: it ends, whatever it is waiting for.

Time-outs are an hour here, so what ends within a test's patience was broken off. Each run must say
in one line that it was interrupted, print a report that adds up, leave no process behind, and the
next one must find everything as it should be.
"""

import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from by_hand import bucket_place, check_archive, client_of, objects_in_directory
from command import PASSWORD, Archiver, Done, one_clear_line

from infra.certificate import Certificate, issue
from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import Bucket
from infra.silence import Mute, deaf

Start = Callable[..., subprocess.Popen[str]]

MAIL = [(f"u{n}", b"Subject: %d\r\n\r\n" % n + b"x" * 900 + b"\r\n") for n in range(6)]
HELD = [octets for _, octets in MAIL]
PATIENCE = 30
TERMS = ("known", "linked", "fetched", "failed", "vanished", "remaining")
SETTINGS = """
state = "s"
[store]
url = "{store}"
[accounts.me]
server = "{scheme}://user@127.0.0.1:{port}"
timeout = 3600
{more}
"""
FROM_ENVIRONMENT = f'password_env = "{PASSWORD}"'
NOBODY = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "x"}
SILENT_NAMES = """
import socket, time

def getaddrinfo(*_, **__):
    open("asked", "w").close()
    time.sleep(3600)

socket.getaddrinfo = getaddrinfo
"""
INTERRUPTED_IMPORT = """
import os, signal, sys

def interrupt(event, arguments):
    if event == "import" and arguments[0] == "{module}":
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(interrupt)
"""


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the password of the server in this process."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1, and its authority."""
    return issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start(archiver: Archiver) -> Iterator[Start]:
    """Starts commands, and ends those that a failing test leaves behind."""
    with ExitStack() as stack:

        def started(*arguments: str, **more: Any) -> subprocess.Popen[str]:
            process = stack.enter_context(archiver.start(*arguments, **more))
            stack.callback(process.kill)
            return process

        yield started


def settle(
    archiver: Archiver,
    port: int,
    *,
    scheme: str = "pop3+plain",
    store: str = "archive",
    more: str = FROM_ENVIRONMENT,
) -> None:
    """Writes the file of settings."""
    text = SETTINGS.format(scheme=scheme, port=port, store=store, more=more)
    (archiver.home / "archiver.toml").write_text(text)


def until(reached: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Returns once the run has come so far."""
    while not reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def end(archiver: Archiver, process: subprocess.Popen[str], number: int = signal.SIGTERM) -> Done:
    """Asks a run to end, which it must do in good time and order, with all of its processes."""
    processes = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    done = Done(process.returncode, stdout, stderr)
    assert done.code == 130, stderr
    assert one_clear_line(done) == "interrupted at a safe point"
    assert not psutil.wait_procs(processes, PATIENCE)[1]
    # What is closed as it should be leaves no write-ahead log behind.
    assert not (archiver.home / "s" / "ledger.db-wal").exists()
    for report in done.records:
        assert report.get("listed", 0) == sum(report.get(term, 0) for term in TERMS)
    return done


def check_rest(archiver: Archiver, before: dict[str, Any]) -> None:
    """The next run, from a server without faults, brings what is missing, and nothing twice."""
    assert archiver("status", "--json").record["last_run"]["exit_code"] == 130
    with FaultyPop3(MAIL) as server:
        settle(archiver, server.port)
        report = archiver("run", "--json").record
    assert (report["listed"], report["failed"], report["remaining"]) == (len(MAIL), 0, 0)
    assert report["known"] == before["fetched"]
    assert before["archived"] + report["archived"] == len(MAIL)
    assert not [file for file in (archiver.home / "s" / "spool").rglob("*") if file.is_file()]
    check_archive(objects_in_directory(archiver.home / "archive"), "me", HELD)


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        ({"silent_at": [0]}, 0),
        ({"silent_at": [6]}, 6),
        ({"stall": (4, 500)}, 10),
        ({"stall": (4, 500), "expire": 0}, 10),
    ],
)
def test_silent_server(
    faults: dict[str, Any], heard: int, archiver: Archiver, start: Start
) -> None:
    """A server that says nothing: in place of a greeting, of a listing, or within a message."""
    with FaultyPop3(MAIL, **faults) as server:
        settle(archiver, server.port)
        process = start("run", "--json")
        until(lambda: server.sessions and len(server.commands) >= heard, process)
        done = end(archiver, process)
        assert "QUIT" not in server.commands
    assert done.record["fetched"] <= 3
    check_rest(archiver, done.record)


@pytest.mark.parametrize("scheme", ["pop3s", "pop3"])
def test_silent_handshake(
    scheme: str, certificate: Certificate, archiver: Archiver, start: Start
) -> None:
    """A server that does not answer in a handshake, from the start or after STLS."""
    with FaultyPop3(
        MAIL,
        certificate_file=str(certificate.certificate_file),
        key_file=str(certificate.key_file),
        implicit_tls=scheme == "pop3s",
        silent_handshake=True,
    ) as server:
        more = f'{FROM_ENVIRONMENT}\nca_file = "{certificate.ca_file}"'
        settle(archiver, server.port, scheme=scheme, more=more)
        process = start("run", "--json")
        until(lambda: server.commands if scheme == "pop3" else server.sessions, process)
        done = end(archiver, process)
    check_rest(archiver, done.record)


def connects(process: subprocess.Popen[str]) -> bool:
    """Whether a process waits for a connection to come about."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return any(one.status == psutil.CONN_SYN_SENT for one in connections)


def test_black_hole(archiver: Archiver, start: Start) -> None:
    """A host that does not answer."""
    with deaf() as (_, port):
        settle(archiver, port)
        process = start("run", "--json")
        until(lambda: connects(process), process)
        done = end(archiver, process)
    check_rest(archiver, done.record)


def test_silent_proxy(archiver: Archiver, start: Start) -> None:
    """A proxy that does not answer."""
    with Mute() as proxy:
        more = f'{FROM_ENVIRONMENT}\nproxy = "socks5://127.0.0.1:{proxy.port}"'
        settle(archiver, 110, more=more)
        process = start("run", "--json")
        until(proxy.asked.is_set, process)
        done = end(archiver, process)
    check_rest(archiver, done.record)


def test_silent_name_service(archiver: Archiver, start: Start) -> None:
    """A name service that does not answer."""
    (archiver.home / "sitecustomize.py").write_text(SILENT_NAMES)
    settle(archiver, 110)
    process = start("run", "--json", environment={"PYTHONPATH": str(archiver.home)})
    until((archiver.home / "asked").exists, process)
    done = end(archiver, process)
    check_rest(archiver, done.record)


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("run", ""),
        # The session waits for room, or until what it retrieved is archived.
        ("run", 'spool_limit = "2k"'),
        ("run", "expire"),
        ("upload", ""),
    ],
)
def test_silent_store(verb: str, more: str, archiver: Archiver, start: Start) -> None:
    """A store that does not answer, whoever waits for it."""
    archiver.environment.update(NOBODY)
    with Mute() as store, FaultyPop3(MAIL, expire=0 if more == "expire" else None) as server:
        archiver.environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{store.port}"
        settle(archiver, server.port, store="s3://bucket")
        if more.startswith("spool"):
            settings = archiver.home / "archiver.toml"
            settings.write_text(f"{more}\n{settings.read_text()}")
        if verb != "run":
            archiver("fetch")
        process = start(verb, "--json")
        until(store.asked.is_set, process)
        done = end(archiver, process)
        assert "a worker" not in done.stderr
        assert len(server.mailbox) == len(MAIL)
    assert archiver("status", "--json").record["last_run"]["exit_code"] == 130


def test_frozen_store(bucket: Bucket, archiver: Archiver, start: Start) -> None:
    """A real store whose disk hangs in the middle of a run: nothing is lost, or put twice."""
    mail = [(f"u{n}", b"Subject: %d\r\n\r\n" % n + b"x" * 900 + b"\r\n") for n in range(1100)]
    archiver.environment.update(bucket.environment)
    place = bucket_place(bucket, "mail")
    with FaultyPop3(mail) as server:
        settle(archiver, server.port, store=place.url)
        process = start("run", "--json", "--workers", "1")
        with closing(client_of(bucket)) as client:
            look = partial(client.list_objects_v2, Bucket=bucket.name, Prefix="mail/mail/")
            until(lambda: look(MaxKeys=1)["KeyCount"], process)
        bucket.server.freeze()
        try:
            done = end(archiver, process)
        finally:
            bucket.server.thaw()
        assert "a worker" not in done.stderr
        before = done.record
        assert before["archived"] < before["fetched"] == len(mail)
        after = archiver("run", "--json").record
        assert (after["known"], after["archived"]) == (len(mail), len(mail) - before["archived"])
    check_archive(place.objects(), "me", [octets for _, octets in mail])


def test_password_command(archiver: Archiver, start: Start) -> None:
    """A command that is to give a password, and does not."""
    settle(archiver, 110, more='password_command = "touch asked; exec sleep 3600"')
    process = start("run", "--json")
    until((archiver.home / "asked").exists, process)
    done = end(archiver, process)
    check_rest(archiver, done.record)


def test_ledger_that_is_being_checked(archiver: Archiver, start: Start) -> None:
    """Another process that has the ledger to itself, since it reads all of it."""
    (archiver.home / "s").mkdir()
    with (archiver.home / "s" / "ledger.lock").open("w") as beside:
        fcntl.flock(beside, fcntl.LOCK_EX)
        settle(archiver, 110)
        process = start("run", "--json")
        opened = psutil.Process(process.pid).open_files
        until(lambda: any(file.path == beside.name for file in opened()), process)
        done = end(archiver, process)
    assert done.stdout == ""


def test_prompt(archiver: Archiver, start: Start) -> None:
    """Ctrl-C where a password is asked for ends the run, and the terminal shows what is typed."""
    settle(archiver, 110, more="")
    terminal, other_side = pty.openpty()
    process = start("run", "--json", stdin=other_side)
    until(lambda: not echoes(other_side), process)
    end(archiver, process, signal.SIGINT)
    assert echoes(other_side)
    for each in (terminal, other_side):
        os.close(each)


def echoes(terminal: int) -> bool:
    """Whether a terminal shows what is typed."""
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM,) * 2])
def test_twice(numbers: tuple[int, int], archiver: Archiver, start: Start) -> None:
    """A second signal ends the run at once, and its workers with it; still nothing is lost."""
    archiver.environment.update(NOBODY)
    with Mute() as store, FaultyPop3(MAIL) as server:
        archiver.environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{store.port}"
        settle(archiver, server.port, store="s3://bucket")
        process = start("run", "--json")
        assert process.stderr is not None
        until(store.asked.is_set, process)
        workers = psutil.Process(process.pid).children()
        process.send_signal(numbers[0])
        while not process.stderr.readline().startswith("stopping"):
            assert process.poll() is None
        process.send_signal(numbers[1])
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == -numbers[1]
        assert "Traceback" not in stderr
        assert workers
        assert not psutil.wait_procs(workers, PATIENCE)[1]
        settle(archiver, server.port, store="s3://bucket")
        status = archiver("status", "--json").record
    assert status["stages"]["spooled"] == len(MAIL)


@pytest.mark.parametrize("module", ["archiver.errors", "typer", "archiver.cli.app"])
def test_before_anything_began(module: str, archiver: Archiver, start: Start) -> None:
    """Ctrl-C while the program is still being loaded ends it without a traceback."""
    (archiver.home / "sitecustomize.py").write_text(INTERRUPTED_IMPORT.format(module=module))
    process = start("run", environment={"PYTHONPATH": str(archiver.home)})
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stdout, stderr) == (-signal.SIGINT, "", "")
