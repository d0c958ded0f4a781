"""Deletion that is killed again and again, from outside: no message is ever lost, or kept twice."""

import hashlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from by_hand import check_chains, objects_in_directory
from command import PASSWORD, Archiver, account_of

from infra.bench.mailbox import make_messages
from infra.fixtures import Mailbox
from infra.relay import Relay

_KILLS = int(os.environ.get("ARCHIVER_KILLS", "6"))
_SEED = 20
_FIRST = 150
_MORE = 40
_LONGEST_SECONDS = 2.5
_AFTER_DELE_SECONDS = 0.03
_WHOLE_GROUP = 0.7
"""How often the workers die with the process that started them."""


def deliver(mailbox: Mailbox, count: int, seed: int) -> set[str]:
    """Adds so many messages; returns the digests of what the server sends for them."""
    letters = list(make_messages(count, "small", seed))
    mailbox.add([one.replace(b"\r\n", b"\n") for one in letters])
    return {hashlib.sha256(one).hexdigest() for one in letters}


def wait_for_dele(process: subprocess.Popen[str], relay: Relay, connections: int) -> None:
    """Waits until a connection after the first so many has said DELE, or the run has ended."""
    while process.poll() is None:
        said = [b"".join(one.said) for one in relay.recordings[connections:]]
        if any(b"DELE " in one for one in said):
            return
        time.sleep(0.001)


def kill(process: subprocess.Popen[str], seconds: float, *, whole_group: bool) -> None:
    """Kills a run after this time, unless it ended before; then waits until its workers ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), said


def stored(mail: Path) -> list[str]:
    """The digest of every message below ``mail/``, of its octets and not of its name."""
    files = sorted(mail.rglob("*.eml"))
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert digests == [file.stem for file in files]
    return digests


def still_held(mailbox: Mailbox) -> set[str]:
    """The digest of every message that the server still has, as it sends it."""
    served = (one.replace(b"\n", b"\r\n") for one in mailbox.left())
    return {hashlib.sha256(one).hexdigest() for one in served}


def check_sum(report: dict[str, Any]) -> None:
    """Every message that was listed has one end."""
    ends = ("known", "linked", "fetched", "failed", "vanished", "remaining")
    assert report["listed"] == sum(report[end] for end in ends)
    assert report["failed"] == report["remaining"] == 0


def test_killed_at_any_moment(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """Server and store hold every message after each kill; at last the store alone, each once.

    Every other kill comes when the mailbox is about to be emptied, or just was. In the end the
    manifests chain and tell of each message once that it is gone; nothing is left to do.
    """
    chance = random.Random(_SEED)
    mail = tmp_path / "archive" / "mail"
    delivered = deliver(mailbox, _FIRST, seed=0)
    with Relay(mailbox.port) as relay:
        server = f"pop3+plain://{mailbox.user}@127.0.0.1:{relay.port}"
        options = ("--server", server, "--password-env", PASSWORD, "--store", "archive")
        deletion = ("--delete", "verified", "--yes-delete-all")
        command = ("run", *options, "--state", "s", "--json", *deletion)
        for number in range(1, _KILLS + 1):
            connections = len(relay.recordings)
            process = archiver.start(*command)
            if number % 2:
                moment = chance.uniform(0.3, _LONGEST_SECONDS)
            else:
                wait_for_dele(process, relay, connections)
                moment = chance.uniform(0, _AFTER_DELE_SECONDS)
            kill(process, moment, whole_group=chance.random() < _WHOLE_GROUP)
            left = still_held(mailbox)
            assert left | set(stored(mail)) == delivered, f"lost by kill {number}, at {moment} s"
            if len(left) < _MORE:
                delivered |= deliver(mailbox, _MORE, seed=number)
        last = archiver(*command).record
        objects = objects_in_directory(tmp_path / "archive")
        idle = archiver(*command).record

    check_sum(last)
    assert mailbox.left() == []
    assert sorted(stored(mail)) == sorted(delivered)
    records = check_chains(objects, account_of(mailbox))
    for kind in ("archived", "gone"):
        digests = [record["digest"] for record in records if record["kind"] == kind]
        assert sorted(digests) == sorted(delivered), kind
    assert (idle["listed"], idle["deleted"], idle["head"]) == (0, 0, last["head"])
    assert objects_in_directory(tmp_path / "archive") == objects
