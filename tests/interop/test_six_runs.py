from collections.abc import Sequence
from typing import Any

from by_hand import check_archive, objects_in_directory
from command import Archiver
from corpus import letter
from observed import Column
from targets import ACCOUNT, RUN, STABLE, Subject, archived, on, plain, write_settings
from wire import exchanges, retrieved

from infra.relay import Recording, Relay

LARGE = [letter(number, 60_000) for number in range(8)]
SMALL = [letter(number) for number in range(5)]
# Within the third or fourth message, whatever the server says beside them.
CUT = 200_000


def check_sum(report: dict[str, Any]) -> None:
    """Every message that was listed has one end."""
    ends = ("known", "linked", "fetched", "failed", "vanished", "remaining")
    assert report["listed"] == sum(report[end] for end in ends)
    assert report["fetched"] == report["archived"]


def run(archiver: Archiver, subject: Subject, cuts: Sequence[int] = ()) -> tuple[Any, Recording]:
    """The report of a run, and its first session; a connection that is cut is not tried again."""
    with Relay(subject.server.port, cuts) as relay:
        more = {"reconnects": 0} if cuts else {}
        write_settings(archiver.home, subject.box, relay.port, **more)
        report = archiver(*RUN, code=5 if cuts else 0).record
    check_sum(report)
    return report, relay.recordings[0]


def numbers(recording: Recording) -> list[int]:
    """The messages that were asked for and came."""
    return [
        int(command.split()[1])
        for command, _, _ in exchanges(recording)
        if command.startswith(b"RETR ")
    ]


def test_a_cut_connection_loses_nothing(subject: Subject, archiver: Archiver) -> None:
    """After a cut within a message another run fetches what was not durable, and nothing else."""
    subject.box.add(LARGE)
    first, broken = run(archiver, subject, [CUT])
    assert broken.cut
    assert first["fetched"] == len(numbers(broken)) == 3
    assert first["remaining"] == len(LARGE) - 3

    second, whole = run(archiver, subject)
    store = objects_in_directory(archiver.home / "archive")
    sent = retrieved(broken) + retrieved(whole)
    check_archive(store, ACCOUNT, sent)
    found = [plain(subject.server, each) for each in archived(archiver.home / "archive")]
    assert set(found) == {subject.server.served(each) for each in LARGE}
    if subject.target.stable:
        assert numbers(whole) == [4, 5, 6, 7, 8]
        assert (second["known"], second["fetched"]) == (3, 5)
        assert len(found) == len(LARGE)
        subject.saw(Column.RESUME, "yes")
    else:
        # The three are other octets by now, which are archived beside what they were.
        assert second["fetched"] == len(LARGE)
        assert len(found) == len(LARGE) + 3
        subject.saw(Column.RESUME, "yes; changed octets again")


@on(*STABLE)
def test_a_second_run_fetches_what_is_new(subject: Subject, archiver: Archiver) -> None:
    """A run after the first fetches nothing, and a message that came meanwhile is fetched alone."""
    subject.box.add(SMALL)
    report, _ = run(archiver, subject)
    assert report["fetched"] == len(SMALL)
    before = objects_in_directory(archiver.home / "archive")

    report, recording = run(archiver, subject)
    assert (report["known"], report["fetched"], report["linked"]) == (len(SMALL), 0, 0)
    assert numbers(recording) == []
    assert objects_in_directory(archiver.home / "archive") == before

    subject.box.add([letter(9)])
    report, recording = run(archiver, subject)
    assert (report["known"], report["fetched"]) == (len(SMALL), 1)
    assert len(numbers(recording)) == 1
    found = archived(archiver.home / "archive")
    delivered = [subject.server.served(each) for each in [*SMALL, letter(9)]]
    assert sorted(plain(subject.server, each) for each in found) == sorted(delivered)
    subject.saw(Column.AGAIN, "fetches what is new")


@on("mailutils_mbox")
def test_octets_that_change_by_themselves(subject: Subject, archiver: Archiver) -> None:
    """What a server makes of its mail from session to session is archived, each version once.

    In its second session every message has other fields, and the first one also when mail was
    added; each version is counted as fetched, and once nothing changes, nothing is fetched.
    """
    subject.box.add(SMALL)
    sent: list[bytes] = []
    seen = []
    for number in range(6):
        report, recording = run(archiver, subject)
        sent += retrieved(recording)
        seen.append((report["known"], report["fetched"], report["linked"]))
        check_archive(objects_in_directory(archiver.home / "archive"), ACCOUNT, sent)
        if number == 2:
            subject.box.add([letter(9)])
    assert seen == [(0, 5, 0), (0, 5, 0), (5, 0, 0), (5, 1, 0), (4, 2, 0), (6, 0, 0)]
    assert len(archived(archiver.home / "archive")) == len(sent)
    delivered = {subject.server.served(each) for each in [*SMALL, letter(9)]}
    assert {plain(subject.server, each) for each in sent} == delivered
    subject.saw(Column.AGAIN, "fetches what is new, or changed")
    subject.saw(Column.HABITS, "other octets under one UIDL")
