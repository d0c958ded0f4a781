"""Deletion on every server, with its habits: what leaves it is in the store, as it was sent."""

import json
from collections import Counter
from typing import Any

from by_hand import check_chains, objects_in_directory
from command import Archiver
from corpus import CORPUS
from observed import Column
from targets import ACCOUNT, RUN, Subject, archived, held, on, plain, write_settings
from wire import exchanges, read_mailbox

from infra.relay import Recording, Relay

DELETE = (*RUN, "--delete", "verified", "--yes-delete-all")
ALIKE = [b"Subject: alike %d\n\n%d\n" % (number, number) for number in range(5)]
"""Without any field by which popa3d tells messages from each other."""

_RUNS_AT_MOST = 5


def deleted(recording: Recording) -> list[tuple[bytes, bytes]]:
    """The command that showed each message that left with a session, and what it showed."""
    shown: dict[bytes, tuple[bytes, bytes]] = {}
    marked: list[bytes] = []
    for command, status, block in exchanges(recording):
        verb, *arguments = command.split(b" ")
        if not status.startswith(b"+OK"):
            continue
        if verb == b"RETR" or (verb == b"TOP" and arguments[0] not in shown):
            shown[arguments[0]] = (verb, block)
        elif verb == b"DELE":
            marked.append(arguments[0])
        elif verb == b"QUIT":
            return [shown[number] for number in marked]
    return []


def run(archiver: Archiver, subject: Subject) -> Counter[bytes]:
    """A run that deletes, in which nothing left that is not in the store.

    Returns:
        how many left, by the command that showed what they are.
    """
    with Relay(subject.server.port) as relay:
        write_settings(archiver.home, subject.box, relay.port)
        process = archiver.start(*DELETE)
        stdout, stderr = process.communicate(timeout=120)
    # 3 says that some of it stays.
    assert process.returncode in (0, 3), stderr
    store = archived(archiver.home / "archive")
    gone = [each for recording in relay.recordings for each in deleted(recording)]
    for _, octets in gone:
        assert any(one.startswith(octets) for one in store), octets[:200]
    check_chains(objects_in_directory(archiver.home / "archive"), ACCOUNT)
    report: dict[str, Any] = json.loads(stdout)
    assert len(gone) == report["deleted"]
    return Counter(verb for verb, _ in gone)


def check_all_held(archiver: Archiver, subject: Subject, letters: list[bytes]) -> int:
    """Sees each message in the store or on the server; returns how many are on the server."""
    still = read_mailbox(subject.box, utf8=subject.server.name == "courier")
    found = {plain(subject.server, one) for one in archived(archiver.home / "archive")}
    lost = {subject.server.served(one) for one in letters} - found
    assert lost <= {plain(subject.server, one) for one in still}
    return len(still)


def empty(archiver: Archiver, subject: Subject, letters: list[bytes]) -> list[Counter[bytes]]:
    """Runs until the mailbox is empty, with all held at any time; how many each run deleted."""
    counts = []
    for _ in range(_RUNS_AT_MOST):
        counts.append(run(archiver, subject))
        if not check_all_held(archiver, subject, letters):
            return counts
    raise AssertionError(f"messages stay for good: {counts} were deleted")


def in_words(counts: list[Counter[bytes]], sent: int) -> str:
    """How a server's mailbox was emptied, for the table."""
    ways = {b"TOP": "by header", b"RETR": "by octets"}
    used = [words for verb, words in ways.items() if any(verb in each for each in counts)]
    late = f", in run {len(counts)}" if len(counts) > 1 else ""
    gone = sum(each.total() for each in counts)
    return f"{gone} of {sent}, {', else '.join(used)}{late}"


def test_hostile_mail(subject: Subject, archiver: Archiver) -> None:
    """Hostile messages leave every server with the run that archives them, and none is lost.

    Where mail becomes other octets by itself it stays, and leaves with the next run, when what it
    has become is archived.
    """
    letters = held(subject.server, CORPUS)
    subject.box.add(letters)
    counts = empty(archiver, subject, letters)
    left = [each.total() for each in counts]
    assert left == ([len(letters)] if subject.target.stable else [0, len(letters)])
    subject.saw(Column.DELETED, in_words(counts, len(letters)))


@on("popa3d")
def test_one_uidl_for_different_messages(subject: Subject, archiver: Archiver) -> None:
    """Messages that share a UIDL are told apart by their octets, and all of them leave."""
    subject.box.add(ALIKE)
    assert empty(archiver, subject, ALIKE) == [Counter({b"RETR": len(ALIKE)})]
