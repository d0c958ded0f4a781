"""What a user meets when something is wrong: one clear line, a code of the table, no traceback."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from by_hand import check_archive, objects_in_directory, read_mailbox
from command import PASSWORD, Archiver, account_of, one_clear_line, source

from infra.faulty_pop3 import FaultyPop3
from infra.fixtures import Bucket, Mailbox
from infra.process import free_ports

STORE = ("--store", "archive", "--state", "s")
SERVED = "user@127.0.0.1"
NOBODY = "pop3+plain://me@127.0.0.1:9"
SMALL = [b"Subject: small %d\n\n" % n + b"x" * 5000 + b"\n" for n in range(12)]


@pytest.fixture
def plain(tmp_path: Path) -> Archiver:
    """The command, with a password and no server."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--server", "imap://me@host", *STORE), 2, "no scheme that we know"),
        (("--server", "pop3s://host", *STORE), 2, "names no user"),
        (("--server", "pop3s://me@host:port", *STORE), 2, "is not host or host:port"),
        (("--server", "pop3s://me:hunter2@host", *STORE), 2, "holds a password"),
        (("--server", NOBODY, "--state", "s"), 2, "--server needs --store"),
        (("--server", NOBODY, "--store", "ftp://x", "--state", "s"), 2, "no store"),
        (("--server", NOBODY, *STORE, "--spool-limit", "much"), 2, "--spool-limit: 'much'"),
        (("--server", NOBODY, *STORE, "--password-env", "UNSET"), 2, "no variable UNSET"),
        (("--server", NOBODY, *STORE, "--password-file", "none"), 2, "none cannot be read"),
        (("--server", NOBODY, *STORE, "--password-command", "exit 7"), 2, "status 7"),
        (("--server", NOBODY, *STORE), 4, "no password for me@127.0.0.1"),
        (("--server", NOBODY, *STORE, "someone"), 2, "someone cannot be one as well"),
        (("--state", "s"), 2, "there is no archiver.toml here and no --server"),
        (("--config", "none.toml"), 2, "none.toml cannot be read: No such file"),
        (("--server", NOBODY, *STORE, "--ca-file", "none", "--password-env", PASSWORD), 5, "9"),
    ],
)
def test_unusable_options(
    arguments: tuple[str, ...], code: int, words: str, plain: Archiver
) -> None:
    """Options that cannot be used are named, before anything is done."""
    done = plain("run", *arguments, code=code)
    assert words in one_clear_line(done)
    assert done.stdout == ""
    assert "hunter2" not in done.stderr
    assert not (plain.home / "archive").exists()


@pytest.mark.parametrize("option", ["--server", "--no-such-option", "--workers=0", "--limit=none"])
def test_usage_of_options(option: str, plain: Archiver) -> None:
    """An option that does not exist, or lacks its value, is a matter of usage."""
    done = plain("run", option, code=2)
    assert "Traceback" not in done.stderr
    assert option.partition("=")[0] in done.stderr


def test_all_problems_of_a_file_at_once(plain: Archiver) -> None:
    """Whoever mends the file of settings is told everything that is wrong with it."""
    (plain.home / "archiver.toml").write_text(
        'spool_limit = "much"\ncolour = "red"\n[store]\nurl = 3\n'
        '[accounts.a]\nserver = "imap://x"\n[accounts.b]\nauth = "ntlm"\n'
        'server = "pop3s://me:hunter2@host"\n'
    )
    done = plain("run", code=2)
    assert one_clear_line(done).endswith("archiver.toml cannot be used:")
    for words in ("spool_limit", "colour", "[store] url", "[accounts.a] server", "auth"):
        assert words in done.stderr
    assert "holds a password" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_file_that_is_not_toml(plain: Archiver) -> None:
    """A slip of the pen is located."""
    (plain.home / "archiver.toml").write_text("[store\nurl = 'x'\n")
    assert "archiver.toml is not TOML" in one_clear_line(plain("run", code=2))
    assert "at line 1" in one_clear_line(plain("status", code=2))


def test_an_unknown_account(plain: Archiver) -> None:
    """An account that the file does not have is named, with those it has."""
    (plain.home / "archiver.toml").write_text(
        '[store]\nurl = "x"\n[accounts.work]\nserver = "pop3s://me@host"\n'
    )
    done = plain("run", "wrok", code=2)
    assert one_clear_line(done).endswith("has no account wrok")
    assert "it has work" in done.stderr


def test_a_wrong_password(mailbox: Mailbox, archiver: Archiver) -> None:
    """A server that does not let us in is exit code 4, and the password is nowhere shown."""
    archiver.environment[PASSWORD] = "battery staple"
    done = archiver("run", *source(mailbox, "pop3s"), *STORE, code=4)
    assert account_of(mailbox) in one_clear_line(done)
    assert "battery" not in done.stderr
    assert "battery" not in (archiver.home / "s" / "ledger.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize("scheme", ["pop3s", "pop3"])
def test_an_untrusted_certificate(scheme: str, mailbox: Mailbox, archiver: Archiver) -> None:
    """A certificate of an authority that is not trusted ends it before any password is sent."""
    options = source(mailbox, scheme)
    done = archiver("run", *options[: options.index("--ca-file")], *STORE, code=5)
    assert "certificate" in one_clear_line(done)


@pytest.mark.parametrize("scheme", ["pop3s", "pop3", "pop3+plain"])
def test_a_refused_connection(scheme: str, plain: Archiver) -> None:
    """A port on which nobody listens is told at once."""
    server = f"{scheme}://me@127.0.0.1:{free_ports(1)[0]}"
    options = ("--server", server, "--password-env", PASSWORD)
    assert one_clear_line(plain("run", *options, *STORE, code=5)).endswith(" refuses connections")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "NOBODY"}, "does not know the access key"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "secret"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"bucket": "no-such-bucket"}, "no-such-bucket"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
    ],
    ids=["key", "secret", "endpoint", "bucket", "profile"],
)
def test_a_store_that_refuses(
    change: dict[str, str], words: str, mailbox: Mailbox, archiver: Archiver, bucket: Bucket
) -> None:
    """A store that refuses is exit code 6; what was fetched waits, and is stored once it works."""
    mailbox.add(SMALL)
    url = f"s3://{change.get('bucket', bucket.name)}/x"
    right = bucket.environment
    options = (*source(mailbox), "--store", url, "--state", "s", "--json")
    done = archiver("run", *options, code=6, environment={**right, **change})
    assert words in one_clear_line(done)
    assert bucket.server.secret_key not in done.stderr
    assert (done.record["fetched"], done.record["archived"]) == (len(SMALL), 0)
    assert archiver("status", "--state", "s", "--json").record["stages"]["spooled"] == len(SMALL)
    if "bucket" not in change:
        again = archiver("run", *options, environment=right).record
        assert (again["known"], again["archived"]) == (len(SMALL), len(SMALL))


def test_a_state_directory_that_cannot_be_made(plain: Archiver) -> None:
    """A path that holds a file cannot hold the state."""
    (plain.home / "file").write_text("")
    options = ("--server", NOBODY, "--password-env", PASSWORD, "--store", "archive")
    done = plain("run", *options, "--state", "file/s", code=3)
    assert "file/s" in one_clear_line(done)


def test_a_ledger_that_is_none(plain: Archiver) -> None:
    """A file that is no database is not touched."""
    (plain.home / "s").mkdir()
    (plain.home / "s" / "ledger.db").write_text("these are notes of mine\n" * 100)
    options = ("--server", NOBODY, "--password-env", PASSWORD, *STORE)
    for arguments in (("run", *options), ("status", "--state", "s")):
        done = plain(*arguments, code=2)
        assert one_clear_line(done).endswith(
            "ledger.db is not a usable ledger: file is not a database"
        )
    assert (plain.home / "s" / "ledger.db").read_text().startswith("these are notes")


BIG = [b"Subject: big %d\n\n" % n + b"0123456789\n" * 30_000 for n in range(12)]


def test_limit(mailbox: Mailbox, archiver: Archiver) -> None:
    """--limit takes so many at a time, and says what remains."""
    mailbox.add(SMALL)
    options = (*source(mailbox), *STORE, "--json", "--limit", "5")
    reports = [archiver("run", *options).record for _ in range(3)]
    assert [report["fetched"] for report in reports] == [5, 5, 2]
    assert [report["remaining"] for report in reports] == [7, 2, 0]
    assert [report["known"] for report in reports] == [0, 5, 10]


def test_a_spool_smaller_than_the_mailbox(mailbox: Mailbox, archiver: Archiver) -> None:
    """A run takes the mailbox in portions that fit; a fetch alone stops when the spool is full."""
    mailbox.add(BIG)
    options = (*source(mailbox), *STORE, "--json", "--spool-limit", "700k")
    fetched = archiver("fetch", *options)
    assert 0 < fetched.record["fetched"] < len(BIG)
    assert fetched.record["remaining"] == len(BIG) - fetched.record["fetched"]
    assert "the spool is full" in fetched.stderr
    report = archiver("run", *options).record
    assert (report["archived"], report["remaining"]) == (len(BIG), 0)
    held = read_mailbox(mailbox.port, mailbox.user, mailbox.password)
    check_archive(objects_in_directory(archiver.home / "archive"), account_of(mailbox), held)


def served(server: FaultyPop3) -> tuple[str, ...]:
    """The options of a run from a server in this process."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    return ("--server", url, "--password-env", PASSWORD, *STORE, "--json")


def wait_for_retrievals(server: FaultyPop3, count: int) -> None:
    """Returns once so many messages were asked for."""
    while sum(command.startswith("RETR") for command in list(server.commands)) < count:
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: int, plain: Archiver) -> None:
    """Ctrl-C ends a run at a safe point with 130, and the next one takes up from there."""
    mail = [(f"u{n}", b"Subject: %d\r\n\r\n" % n + b"x" * 60_000 + b"\r\n") for n in range(400)]
    with FaultyPop3(mail, pipelining=False) as server:
        process = plain.start("run", *served(server))
        wait_for_retrievals(server, 60)
        os.killpg(process.pid, number)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 130, stderr
        assert "Traceback" not in stderr
        report = json.loads(stdout)
        assert 60 <= report["fetched"] < 400
        assert report["fetched"] + report["remaining"] == report["listed"] == 400
        again = plain("run", *served(server)).record
    assert (again["known"], again["fetched"]) == (report["fetched"], report["remaining"])
    check_archive(
        objects_in_directory(plain.home / "archive"), SERVED, [octets for _, octets in mail]
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_a_worker_starts(number: int, plain: Archiver) -> None:
    """A signal to every process is for the main one alone, from a worker's first moment on."""
    mail = [(f"u{n}", b"Subject: %d\r\n\r\nx\r\n" % n) for n in range(50)]
    with FaultyPop3(mail) as server:
        process = plain.start("run", *served(server))
        while not psutil.Process(process.pid).children():
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, number)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 130, stderr
        assert "Traceback" not in stderr
        # A batch that a worker has in hand is finished; one that none has waits for the next run.
        before = json.loads(stdout)["archived"]
        assert before + plain("run", *served(server)).record["archived"] == 50


def test_interrupted_twice(plain: Archiver) -> None:
    """A second Ctrl-C ends the process at once, and still nothing is lost."""
    mail = [("u1", b"Subject: a\r\n\r\nb\r\n")]
    with FaultyPop3(mail, stall=(1, 5)) as server:
        process = plain.start("run", *served(server))
        wait_for_retrievals(server, 1)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.2)
        process.communicate(timeout=10)
        assert process.returncode in (130, -signal.SIGINT)
    with FaultyPop3(mail) as server:
        plain("run", *served(server))
    check_archive(objects_in_directory(plain.home / "archive"), SERVED, [mail[0][1]])


def test_a_worker_that_is_killed(plain: Archiver) -> None:
    """A worker that is killed in the middle of its work is replaced, and all is archived."""
    mail = [(f"u{n}", b"Subject: %d\r\n\r\nx\r\n" % n) for n in range(900)]
    with FaultyPop3(mail) as server:
        process = plain.start("run", *served(server), "--workers", "1")
        while not list((plain.home / "archive").rglob("*.eml")):
            assert process.poll() is None
            time.sleep(0.005)
        (worker,) = psutil.Process(process.pid).children()
        worker.kill()
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["archived"] == 900
    check_archive(
        objects_in_directory(plain.home / "archive"), SERVED, [octets for _, octets in mail]
    )


def test_workers_that_cannot_live(plain: Archiver) -> None:
    """Where no worker lives, as on a machine short of memory, the mail waits in the spool."""
    (plain.home / "sitecustomize.py").write_text(
        "import os, sys\nif 'workers.process' in ' '.join(sys.orig_argv): os._exit(9)\n"
    )
    with FaultyPop3([("u1", b"Subject: a\r\n\r\nb\r\n")]) as server:
        environment = {"PYTHONPATH": str(plain.home)}
        done = plain("run", *served(server), code=3, environment=environment)
        assert one_clear_line(done) == "a worker process was ended in the middle of its work"
        assert plain("run", *served(server)).record["archived"] == 1


def test_the_exit_code_of_a_bug(plain: Archiver) -> None:
    """What nobody expected is exit code 1, with a traceback to report."""
    (plain.home / "sitecustomize.py").write_text("import sys\nsys.modules['platformdirs'] = None\n")
    environment = {"PYTHONPATH": str(plain.home)}
    done = plain("run", code=1, environment=environment)
    assert "Traceback" in done.stderr
    assert "this is a bug in archiver" in done.stderr
