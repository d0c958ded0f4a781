"""Deletion that is killed again and again, from outside: no message is ever lost, or kept twice."""

import hashlib
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

from by_hand import check_chains, objects_in_directory
from command import Archiver, account_of, source

from infra.bench.mailbox import make_messages
from infra.fixtures import Mailbox

_KILLS = int(os.environ.get("ARCHIVER_KILLS", "6"))
_SEED = 20
_FIRST = 150
_MORE = 40
_LONGEST_SECONDS = 3.0
_WHOLE_GROUP = 0.7
"""How often the workers die with the process that started them."""


def deliver(mailbox: Mailbox, count: int, seed: int) -> set[str]:
    """Adds so many messages; returns the digests of what the server sends for them."""
    letters = list(make_messages(count, "small", seed))
    mailbox.add([one.replace(b"\r\n", b"\n") for one in letters])
    return {hashlib.sha256(one).hexdigest() for one in letters}


def kill(process: subprocess.Popen[str], seconds: float, *, whole_group: bool) -> None:
    """Kills a run at this moment, unless it ended before; then waits until its workers ended."""
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
    assert report["fetched"] == report["archived"]


def test_killed_at_any_moment(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """Server and store hold every message after each kill; at last the store alone, each once.

    Its manifests then chain and tell of each message once that it is gone; nothing is left to do.
    """
    chance = random.Random(_SEED)
    mail = tmp_path / "archive" / "mail"
    command = ("run", *source(mailbox), "--store", "archive", "--state", "s", "--json")
    command = (*command, "--delete", "verified", "--yes-delete-all")
    delivered = deliver(mailbox, _FIRST, seed=0)
    for number in range(1, _KILLS + 1):
        whole_group = chance.random() < _WHOLE_GROUP
        moment = chance.uniform(0.3, _LONGEST_SECONDS)
        kill(archiver.start(*command), moment, whole_group=whole_group)
        left = still_held(mailbox)
        assert left | set(stored(mail)) == delivered, f"lost by kill {number}, at {moment} s"
        if len(left) < _MORE:
            delivered |= deliver(mailbox, _MORE, seed=number)

    last = archiver(*command).record
    check_sum(last)
    assert mailbox.left() == []
    assert sorted(stored(mail)) == sorted(delivered)

    objects = objects_in_directory(tmp_path / "archive")
    records = check_chains(objects, account_of(mailbox))
    for kind in ("archived", "gone"):
        digests = [record["digest"] for record in records if record["kind"] == kind]
        assert sorted(digests) == sorted(delivered), kind
    idle = archiver(*command).record
    assert (idle["listed"], idle["deleted"], idle["head"]) == (0, 0, last["head"])
    assert objects_in_directory(tmp_path / "archive") == objects
