import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from stage_helpers import box, desk, octets_of

from archiver.errors import LocalDiskError, LoginRefused, ServerUnavailable
from archiver.ledger.holding import hold
from archiver.ledger.seen import Counts

WORDS = ("one", "two", "three", "four")
MESSAGES = box(*WORDS)


def test_everything_once(tmp_path: Path) -> None:
    """A mailbox is fetched whole, octet for octet, and not again by the next run."""
    with desk(tmp_path, MESSAGES) as it:
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.octets() == [octets for _, octets in MESSAGES]
        assert it.listener.shown[-1] == ("fetch", 4, 4)
        assert it.run() == Counts(listed=4, known=4)
        assert len(it.heard("RETR")) == 4
        assert len(it.heard("QUIT")) == 2
        assert it.heard("DELE") == []
        assert len(it.batches) == 1


@pytest.mark.parametrize("reset", [False, True])
def test_drop_in_the_middle(tmp_path: Path, reset: bool) -> None:
    """What arrived whole before the connection broke is kept, and the rest follows in the run."""
    large = [(f"u{n}", octets_of(f"w{n}", 20_000)) for n in range(4)]
    with desk(tmp_path, large, drop_after=[50_000], reset=reset) as it:
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.server.sessions == 2
        assert it.octets() == [octets for _, octets in large]
        assert len(it.heard("QUIT")) == 1
        assert len(it.clock.slept) == 1


def test_reconnects_end(tmp_path: Path) -> None:
    """After so many losses without progress the run ends, and says what is left."""
    with desk(tmp_path, MESSAGES, drop_after=[200] * 20) as it:
        it.set(reconnects=3)
        with pytest.raises(ServerUnavailable):
            it.run()
        assert it.server.sessions == 4
        assert it.clock.slept == [0.5, 1.0, 2.0]
        assert it.octets() == []


def test_progress_restores_patience(tmp_path: Path) -> None:
    """A server that drops every session is fetched all the same, as long as it gives something."""
    large = [(f"u{n}", octets_of(f"w{n}", 20_000)) for n in range(6)]
    with desk(tmp_path, large, drop_after=[25_000] * 9, pipelining=False) as it:
        it.set(reconnects=1)
        assert it.run() == Counts(listed=6, fetched=6)


def test_pipelining_accident(tmp_path: Path) -> None:
    """A loss with several commands under way sends one at a time at once, and for 30 days."""
    large = [(f"u{n}", octets_of(f"w{n}", 20_000)) for n in range(6)]
    with desk(tmp_path, large, drop_after=[50_000, 50_000]) as it:
        assert it.owner.narrow_until == 0
        it.run()
        assert it.owner.narrow_until == pytest.approx(it.clock.now() + 30 * 86_400, abs=60)
        first = it.owner.narrow_until
        # The second session had one command under way when it broke, which proves nothing new.
        assert it.server.sessions == 3
        it.clock.elapsed += 86_400
        it.run()
        assert it.owner.narrow_until == first


def test_never_reached(tmp_path: Path) -> None:
    """A server that greets with a refusal and was never reached is not tried again and again."""
    with desk(tmp_path, MESSAGES, greeting=b"-ERR go away\r\n") as it:
        with pytest.raises(ServerUnavailable):
            it.run()
        assert it.server.sessions == 1


def test_login_refused(tmp_path: Path) -> None:
    """A refused login ends the account's run at once."""
    with desk(tmp_path, MESSAGES, refuse_login="[AUTH] no") as it:
        with pytest.raises(LoginRefused):
            it.run()
        assert it.clock.slept == []


def test_refused_message(tmp_path: Path) -> None:
    """A message that the server refuses holds up no other, and is tried again in the next run."""
    with desk(tmp_path, MESSAGES, refuse={2: "[SYS/TEMP] later"}, refusals=1) as it:
        assert it.run() == Counts(listed=4, fetched=3, failed=1)
        assert any("later" in note for note in it.listener.notes)
        assert it.run() == Counts(listed=4, known=3, fetched=1)


def test_refused_again_and_again(tmp_path: Path) -> None:
    """A message that was refused as often as the settings allow is not asked for any more."""
    with desk(tmp_path, MESSAGES, refuse={2: "broken"}) as it:
        it.set(tries=2)
        for _ in range(2):
            assert it.run().failed == 1
        asked = len(it.heard("RETR"))
        assert it.run() == Counts(listed=4, known=3, failed=1)
        assert len(it.heard("RETR")) == asked


def test_refused_and_lost(tmp_path: Path) -> None:
    """A refused message is asked for once a run, however many sessions that has."""
    large = [(f"u{n}", octets_of(f"w{n}", 20_000)) for n in range(4)]
    with desk(tmp_path, large, refuse={1: "no"}, drop_after=[30_000]) as it:
        assert it.run() == Counts(listed=4, fetched=3, failed=1)
        assert it.heard("RETR").count("RETR 1") == 1


def test_too_large_by_list(tmp_path: Path) -> None:
    """A message that LIST calls too large is not asked for, until the limit is raised."""
    messages = [*box("one"), ("large", octets_of("large", 5000)), *box("two")]
    with desk(tmp_path, messages) as it:
        it.set(max_message=1000, tries=2)
        for _ in range(3):
            it.run()
            assert it.counts.failed == 1
        assert "RETR 2" not in it.heard("RETR")
        it.set(max_message=10_000)
        assert it.run() == Counts(listed=3, known=2, fetched=1)


def test_too_large_against_list(tmp_path: Path) -> None:
    """A message that outgrows the limit while it arrives ends the session and costs no other."""
    messages = [*box("one"), ("large", octets_of("large", 50_000)), *box("two")]
    with desk(tmp_path, messages, sizes={2: 10}) as it:
        it.set(max_message=1000)
        assert it.run() == Counts(listed=3, fetched=2, failed=1)
        assert it.heard("RETR").count("RETR 2") == 1
        assert it.clock.slept == []
        assert it.owner.narrow_until == 0
        assert it.octets() == [octets_of("one"), octets_of("two")]


def test_raised_limit(tmp_path: Path) -> None:
    """What outgrew the limit is not asked for again, until the limit is raised; nobody decides."""
    messages = [*box("one"), ("large", octets_of("large", 5000))]
    with desk(tmp_path, messages, sizes={2: 10}) as it:
        it.set(max_message=1000, tries=1)
        for _ in range(3):
            assert it.run().failed == 1
            hold(it.ledger, it.owner, tries=1)
        assert it.heard("RETR").count("RETR 2") == 1
        it.set(max_message=10_000)
        assert it.run() == Counts(listed=2, known=1, fetched=1)
        assert it.run() == Counts(listed=2, known=2)


def test_limit_and_another_message(tmp_path: Path) -> None:
    """That a message outgrew the limit says nothing about one of another size in its place."""
    with desk(tmp_path, [("large", octets_of("large", 5000))], sizes={1: 10}) as it:
        it.set(max_message=1000)
        assert it.run().failed == 1
        it.server.mailbox[0].octets = octets_of("small")
        it.server.faults = replace(it.server.faults, sizes={})
        assert it.run() == Counts(listed=1, fetched=1)


def test_octets_behind_a_message(tmp_path: Path) -> None:
    """A message with octets behind its end is not believed; the others are fetched."""
    with desk(tmp_path, MESSAGES, tail={2: b"rest of it\r\n.\r\n"}) as it:
        assert it.run() == Counts(listed=4, fetched=3, failed=1)
        assert it.octets() == [octets_of(word) for word in ("one", "three", "four")]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the run before QUIT, and everything is fetched once there is room."""
    with desk(tmp_path, MESSAGES) as it:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(LocalDiskError):
                it.run()
        assert it.heard("QUIT") == []
        assert it.octets() == []
        assert it.run() == Counts(listed=4, fetched=4)
