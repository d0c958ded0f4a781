"""Deciding about messages: what may be decided, and what becomes of their octets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from archiver.cli.progress import reporter
from archiver.config import AccountSettings, PasswordSource, ServerUrl, Settings, StoreSettings
from archiver.errors import UsageError
from archiver.ledger import Ledger
from archiver.ledger.accounts import distrust
from archiver.ledger.versions import Version, problems, versions
from archiver.ledger.waiting import find_account
from archiver.model import Address, Reconciliation
from archiver.pipeline import Verb, run
from archiver.state import Spool, StatePaths
from archiver.stopping import Stop
from archiver.verbs.headings import Heading, headings
from archiver.verbs.problems import ADVICE, problem_json, waiting
from archiver.verbs.release import (
    Decision,
    account_named,
    choose,
    decide,
    decided_json,
    stand_beside,
)
from infra.faulty_pop3 import FaultyPop3

NAME = "me"
LETTERS = [
    (
        f"u{n}",
        b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\n"
        b"Date: Tue, 02 Jan 2024 10:00:00 +0100\r\nMessage-ID: <%d@example.com>\r\n"
        b"Subject: letter %d\r\n\r\nbody\r\n" % (n, n),
    )
    for n in range(3)
]
HEADING = Heading(1704186000, Address("Jörg", "joerg@example.com"), "letter 1")


@dataclass
class Office:
    """An account that is archived into a directory, run by run, and its ledger between them."""

    server: FaultyPop3
    home: Path
    tries: int = 2

    @property
    def paths(self) -> StatePaths:
        """The state directory."""
        return StatePaths(self.home / "state")

    def run(self, verb: Verb = Verb.RUN) -> int:
        """Runs a verb; returns its exit code."""
        (self.home / "password").write_text("secret")
        account = AccountSettings(
            NAME,
            ServerUrl("127.0.0.1", self.server.port, "user", "plain"),
            password=PasswordSource(file=str(self.home / "password")),
            tries=self.tries,
        )
        store = StoreSettings(url=str(self.home / "archive"))
        settings = Settings((account,), store, state=str(self.paths.root), workers=1)
        outcome = run(settings, verb, reporter=reporter(quiet=True), stop=Stop())
        self.reports = outcome.reports
        return outcome.exit_code

    @property
    def report(self) -> Reconciliation:
        """What the last run of all stages reported."""
        (report,) = self.reports
        assert isinstance(report, Reconciliation)
        assert report.adds_up
        return report

    def spoil(self) -> None:
        """The local disk changes the octets of all that waits in the spool."""
        for segment in self.paths.spool.rglob("*.seg"):
            segment.write_bytes(segment.read_bytes().replace(b"body", b"BODY"))

    def spoiled(self) -> None:
        """One message is in the spool, cannot be stored as it is there, and is held."""
        self.run(Verb.FETCH)
        self.spoil()
        for _ in range(self.tries):
            self.run()

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger between two runs."""
        with Ledger.open(self.paths.ledger) as ledger:
            yield ledger

    def decide(self, decision: Decision, *named: str, discard: bool = False) -> Sequence[Version]:
        """A person decides about messages, all that wait or those named."""
        with self.ledger() as ledger:
            chosen = choose(ledger, NAME, named or None, decision, discard=discard)
            decide(ledger, Spool(self.paths.spool, 0), chosen, decision, discard=discard)
            return chosen

    def segments(self) -> list[Path]:
        """The files in the spool."""
        return sorted(self.paths.spool.rglob("*.seg"))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An account with one message."""
    with FaultyPop3(LETTERS[:1]) as server:
        yield Office(server, tmp_path)


def test_upload_that_fails_in_every_run(office: Office) -> None:
    """A message that cannot be stored has failed, in the run that finds out and in later ones."""
    office.run(Verb.FETCH)
    office.spoil()
    for _ in range(3):
        assert office.run() == 3
        report = office.report
        assert (report.listed, report.known, report.fetched, report.failed) == (1, 0, 0, 1)


def test_octets_that_the_disk_changed(office: Office) -> None:
    """A message whose octets went bad in the spool is held, and fetched again once discarded."""
    office.spoiled()
    assert office.run() == 3
    assert (office.report.held, office.report.failed) == (1, 1)
    office.decide(Decision.TRY_AGAIN)
    assert office.run() == 3
    office.decide(Decision.TRY_AGAIN, "u0", discard=True)
    assert office.segments() == []
    assert office.run() == 0
    assert (office.report.fetched, office.report.archived) == (1, 1)


def test_given_up_with_octets(office: Office) -> None:
    """Octets of a message that is given up stay, no run fails, and it can be taken back."""
    office.spoiled()
    office.decide(Decision.GIVE_UP, "u0")
    kept = office.segments()
    assert len(kept) == 1
    for _ in range(2):
        assert office.run() == 0
        report = office.report
        assert (report.known, report.given_up, report.held, report.failed) == (1, 1, 0, 0)
        assert office.run(Verb.UPLOAD) == 0
    assert office.segments() == kept
    office.decide(Decision.TRY_AGAIN, "u0")
    assert office.run() == 3


def test_given_up_without_octets(office: Office) -> None:
    """With its octets discarded, a message that is given up stays given up, and is not fetched."""
    office.spoiled()
    digest = office.decide(Decision.GIVE_UP, "u0")[0].digest
    assert digest is not None
    office.decide(Decision.GIVE_UP, digest, discard=True)
    assert office.segments() == []
    asked = len(office.server.commands)
    assert office.run() == 0
    assert not any(line.startswith("RETR") for line in office.server.commands[asked:])
    office.decide(Decision.TRY_AGAIN, "u0")
    assert office.run() == 0
    assert office.report.fetched == 1


def test_the_only_copy(office: Office) -> None:
    """Octets that the server no longer has under that UIDL are not discarded."""
    office.spoiled()
    office.server.mailbox[0].octets += b"more\r\n"
    office.server.faults = replace(office.server.faults, refuse={1: "no"})
    office.run()
    with pytest.raises(UsageError, match="may be the only ones"):
        office.decide(Decision.GIVE_UP, "u0", discard=True)
    assert len(office.segments()) == 1
    assert [one.problem for one in office.decide(Decision.GIVE_UP, "u0")] == ["held", "failed"]
    assert office.run() == 0
    assert office.report.given_up == 2


def test_where_uidls_prove_nothing(office: Office) -> None:
    """Nothing is given up that could not be told from the next message."""
    office.server.faults = replace(office.server.faults, refuse={1: "no"})
    office.run()
    with office.ledger() as ledger:
        distrust(ledger, find_account(ledger, NAME), "it lies")
    with pytest.raises(UsageError, match=r"me 'u0' cannot be given up.*: it lies"):
        office.decide(Decision.GIVE_UP, "u0")
    with office.ledger() as ledger:
        assert [one.problem for one in problems(ledger)] == ["failed"]


def test_octets_where_uidls_prove_nothing(office: Office) -> None:
    """There, octets alone say which message was given up, and it stays so as long as they stay."""
    office.spoiled()
    with office.ledger() as ledger:
        distrust(ledger, find_account(ledger, NAME), "it lies")
    with pytest.raises(UsageError, match="they alone tell it from the next"):
        office.decide(Decision.GIVE_UP, "u0", discard=True)
    office.decide(Decision.GIVE_UP, "u0")
    assert office.run() == 0
    assert (office.report.known, office.report.given_up) == (1, 1)


def test_message_without_uidl(tmp_path: Path) -> None:
    """A message without UIDL is named by its digest, and alone under its name."""
    with FaultyPop3(LETTERS[:1], without={"UIDL"}) as server:
        office = Office(server, tmp_path)
        office.spoiled()
        with office.ledger() as ledger:
            (one,) = problems(ledger)
            assert one.digest is not None
            assert stand_beside(ledger, one) == [one]
        assert office.decide(Decision.GIVE_UP, one.digest) == [one]
        assert office.run() == 0


def test_octets_among_others(tmp_path: Path) -> None:
    """Octets that lie in one file with those of other messages are not discarded."""
    with FaultyPop3(LETTERS[:2]) as server:
        office = Office(server, tmp_path)
        office.run(Verb.FETCH)
        with office.ledger() as ledger, ledger.write() as db:
            db.execute("UPDATE messages SET problem = 'failed', reason = 'no' WHERE uidl = 'u0'")
        with pytest.raises(UsageError, match="they lie among others"):
            office.decide(Decision.TRY_AGAIN, "u0", discard=True)
        assert len(office.segments()) == 1


def test_all_leaves_what_was_given_up(tmp_path: Path) -> None:
    """To release everything takes no decision back."""
    with FaultyPop3(LETTERS, refuse={1: "no", 2: "no"}) as server:
        office = Office(server, tmp_path)
        office.run()
        office.decide(Decision.GIVE_UP, "u0")
        assert [one.uidl for one in office.decide(Decision.TRY_AGAIN)] == ["u1"]
        with office.ledger() as ledger:
            assert [one.uidl for one in problems(ledger)] == ["u0"]


def test_names(office: Office) -> None:
    """An account is known in any case; of its messages only what it shows need not have failed."""
    office.run()
    with office.ledger() as ledger:
        assert account_named(ledger, "ME") == NAME
        with pytest.raises(UsageError, match="nothing was ever archived from you"):
            account_named(ledger, "you")
        assert choose(ledger, NAME, ["u0"], Decision.SHOW) == versions(ledger, NAME, "u0")
        for word, decision in (("u0", Decision.TRY_AGAIN), ("u9", Decision.SHOW)):
            with pytest.raises(UsageError, match=f"no message with the UIDL '{word}'"):
                choose(ledger, NAME, [word], decision)


def test_headings(tmp_path: Path) -> None:
    """Date, sender and subject come from the index, or from the octets in the spool."""
    with FaultyPop3(LETTERS[:1]) as server:
        office = Office(server, tmp_path)
        office.run()
        server.mailbox[0].octets = LETTERS[1][1] + b"more\r\n"
        office.run(Verb.FETCH)
        with office.ledger() as ledger, headings(office.paths) as look:
            old, new = versions(ledger, NAME, "u0")
            assert look.of(old) == replace(HEADING, subject="letter 0")
            assert look.of(new) == HEADING
            said = decided_json(new, [(old, look.of(old)), (new, look.of(new))], Decision.SHOW)
        assert (said["decision"], said["discarded"]) == (None, False)
        archived, spooled = said["versions"]
        assert archived["key"].endswith(f"{old.digest}.eml")
        assert (archived["segment"], spooled["key"]) == (None, None)
        assert office.segments() == [office.paths.spool / spooled["segment"]]
        assert (spooled["subject"], spooled["date"]) == ("letter 1", "2024-01-02T09:00:00Z")
        assert spooled["from"] == {"name": "Jörg", "address": "joerg@example.com"}


@pytest.mark.parametrize("broken", [b"", b"no index at all" * 300, None])
def test_headings_without_an_index(office: Office, broken: bytes | None) -> None:
    """Without an index nothing is known of what is only in the store, and no error made of it."""
    office.run()
    office.paths.index.unlink()
    if broken is not None:
        office.paths.index.write_bytes(broken)
    with office.ledger() as ledger, headings(office.paths) as look:
        (one,) = versions(ledger, NAME, "u0")
        assert look.of(one) is None
        assert look.of(replace(one, digest=None)) is None
        assert look.of(replace(one, segment="me/none.seg")) is None


def test_everything_that_waits(tmp_path: Path) -> None:
    """Each message and all that an account has still to do is listed, with what to do about it."""
    with FaultyPop3(LETTERS, refuse={3: "no"}) as server:
        office = Office(server, tmp_path)
        office.run(Verb.FETCH)
        office.decide(Decision.GIVE_UP, "u2")
        with office.ledger() as ledger:
            distrust(ledger, find_account(ledger, NAME), "it lies")
            office.paths.index.with_suffix(".damaged").touch()
            found = {one.kind: one for one in waiting(ledger, office.paths)}
            said = [problem_json(one) for one in found.values()]
        assert list(found) == ["given_up", "unarchived", "untold", "distrusted", "index_damaged"]
        assert found["given_up"].text == "the server refused it: no"
        assert (found["unarchived"].count, found["untold"].count) == (2, 1)
        assert all(one["do"] == ADVICE[one["problem"]] for one in said)
        assert {len(one) for one in said} == {12}
