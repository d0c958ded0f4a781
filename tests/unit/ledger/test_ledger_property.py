"""Random mailboxes over many runs, held against a plain model of what a mailbox and a run are."""

import tempfile
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ledger_helpers import NOW, Mail, Run, archive_all, fingerprint, mail, new_ledger, owner

from archiver.ledger import Ledger
from archiver.ledger.landing import fail_fetch
from archiver.ledger.returning import give_back
from archiver.ledger.stages import MOVES
from archiver.model import Stage

UIDLS = st.sampled_from(["a", "b", "c", "1", "2", ""])


def letter(uidl: str, word: int) -> Mail:
    """A message of a size of its own, since an equally long one under a known UIDL is not seen."""
    return mail(uidl, f"word {word}" + "x" * word)


class Mailbox(RuleBasedStateMachine):
    """A mailbox that changes while runs come and go, some of them cut short.

    Every message that was ever offered and not lost is fetched, nothing is fetched twice where
    UIDLs can be trusted, every run adds up, and a stage changes only as the table allows.
    """

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self._context = new_ledger(Path(self._directory.name))
        self.ledger: Ledger = self._context.__enter__()
        self.ledger.database.conn.executescript(
            "CREATE TABLE moves (message, old, new);"
            "CREATE TRIGGER watch AFTER UPDATE OF stage ON messages WHEN old.stage <> new.stage"
            " BEGIN INSERT INTO moves VALUES (new.id, old.stage, new.stage); END"
        )
        self.box: list[Mail] = []
        self.words = count()
        self.had: set[bytes] = set()
        self.settled: set[Mail] = set()

    def teardown(self) -> None:
        """Removes the ledger."""
        self._context.__exit__(None, None, None)
        self._directory.cleanup()

    @rule(new=st.integers(1, 3))
    def arrive(self, new: int) -> None:
        """Messages arrive under UIDLs of their own."""
        self.box += [letter(f"uidl-{n}", n) for n in (next(self.words) for _ in range(new))]

    @rule(uidl=UIDLS, old=st.booleans())
    def arrive_oddly(self, uidl: str, old: bool) -> None:
        """A message arrives under any UIDL, perhaps with octets that were there before."""
        word = 0 if old else next(self.words)
        self.box.append(letter(uidl, word))

    @precondition(lambda self: self.box)
    @rule(place=st.integers(0, 99))
    def leave(self, place: int) -> None:
        """Another client deletes a message."""
        self.settled.discard(self.box.pop(place % len(self.box)))

    @precondition(lambda self: self.box)
    @rule(place=st.integers(0, 99), other=st.integers(0, 99))
    def swap(self, place: int, other: int) -> None:
        """The server lists its messages in another order."""
        one, two = place % len(self.box), other % len(self.box)
        self.box[one], self.box[two] = self.box[two], self.box[one]

    @rule(
        cuts=st.lists(st.integers(0, 4), max_size=2),
        refused=st.integers(0, 20),
        top=st.booleans(),
        uidl=st.booleans() | st.just(True),
    )
    def run(self, cuts: list[int], refused: int, top: bool, uidl: bool) -> None:
        """A run of some sessions that are cut short, and a last one that is not."""
        run = Run(self.ledger, tries=99)
        for cut in cuts:
            run.take(self.box, run.look(self.box, top=top, uidl=uidl)[:cut])
        wanted = run.look(self.box, top=top, uidl=uidl)
        lost = wanted[refused : refused + 1]
        for one in lost:
            fail_fetch(run.listing, one, "no", NOW)
        run.take(self.box, [one for one in wanted if one not in lost])
        run.link()
        counts = run.listing.counts()
        accounted = counts.known + counts.linked + counts.fetched + counts.failed
        assert counts.listed == accounted + counts.vanished + counts.remaining
        assert counts.listed == len(self.box)
        assert (counts.failed, counts.vanished, counts.remaining) == (len(lost), 0, 0)
        new = set(run.fetched) - self.had
        assert counts.fetched == len(new)
        if owner(self.ledger).distrusted is None:
            assert len(run.numbers) == len(set(run.numbers))
            assert not self.settled & {self.box[number - 1] for number in run.numbers}
        self.had |= new
        refused_octets = {self.box[one.number - 1].octets for one in lost}
        assert {one.octets for one in self.box} - self.had <= refused_octets
        self.settled = {one for one in self.box if one.octets not in refused_octets}

    @rule()
    def archive(self) -> None:
        """Everything in the spool is archived."""
        archive_all(self.ledger)

    @rule()
    def lose(self) -> None:
        """The newest segment is lost before its upload; its octets have to be had again."""
        segment = self.ledger.value(
            "SELECT segment FROM batches WHERE uploaded_at IS NULL AND segment <> ''"
            " ORDER BY id DESC LIMIT 1"
        )
        if segment is not None:
            give_back(self.ledger, segment)
        rows = self.ledger.rows("SELECT digest FROM messages WHERE offset NOTNULL")
        left = {row[0].hex() for row in rows}
        self.had = {one for one in self.had if fingerprint(one).digest in left}
        self.settled = {one for one in self.settled if one.octets in self.had}

    @invariant()
    def moves_are_those_of_the_table(self) -> None:
        """Every change of a stage is one that the table allows."""
        for old, new in self.ledger.rows("SELECT DISTINCT old, new FROM moves"):
            assert Stage(new) in MOVES[Stage(old)], (old, new)

    @invariant()
    def links_lead_somewhere(self) -> None:
        """A message that is linked has its octets somewhere."""
        lost = self.ledger.value(
            "SELECT count(*) FROM messages m WHERE stage = 'linked' AND NOT EXISTS"
            " (SELECT 1 FROM messages o WHERE o.digest = m.digest AND o.offset NOTNULL)"
        )
        assert lost == 0


TestMailbox = Mailbox.TestCase
TestMailbox.settings = settings(
    max_examples=80, stateful_step_count=12, deadline=None, derandomize=True
)
