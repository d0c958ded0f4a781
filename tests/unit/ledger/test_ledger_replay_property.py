"""Random mailboxes over many runs: whatever happened, manifests alone give the ledger back."""

import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from ledger_dump import dump
from ledger_helpers import NOW, Mail, Run, archive_all, draft, mail, new_ledger, owner
from replay_helpers import chronicle, listening, replayed, restored

from archiver.ledger import checkpoints, landing
from archiver.ledger.accounts import note_retiring, renew_writer
from archiver.ledger.holding import give_up, hold, release
from archiver.ledger.landing import fail_fetch
from archiver.ledger.returning import give_back
from archiver.ledger.versions import problems

UIDLS = st.sampled_from(["a", "b", "c", "1", ""])


def letter(uidl: str, word: int) -> Mail:
    """A message of a size of its own, since an equally long one under a known UIDL is not seen."""
    return mail(uidl, f"word {word}" + "x" * word)


class Told(RuleBasedStateMachine):
    """A mailbox that changes while runs come and go, and a ledger that is lost at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.root = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.told = self._stack.enter_context(listening())
        self._stack.enter_context(patch.object(checkpoints, "EVERY", 1))
        self.ledger = self._stack.enter_context(new_ledger(self.root))
        self.box: list[Mail] = []
        self.words = count()
        self.rebuilt = count()

    def teardown(self) -> None:
        """Loses the ledger once more, and removes everything."""
        with self._stack:
            self.lose_everything()

    @rule(new=st.integers(1, 3))
    def arrive(self, new: int) -> None:
        """Messages arrive under UIDLs of their own."""
        self.box += [letter(f"uidl-{n}", n) for n in (next(self.words) for _ in range(new))]

    @rule(uidl=UIDLS, old=st.booleans())
    def arrive_oddly(self, uidl: str, old: bool) -> None:
        """A message arrives under any UIDL, perhaps with octets that were there before."""
        self.box.append(letter(uidl, 0 if old else next(self.words)))

    @precondition(lambda self: self.box)
    @rule(place=st.integers(0, 99))
    def leave(self, place: int) -> None:
        """Another client deletes a message."""
        self.box.pop(place % len(self.box))

    @rule(refused=st.integers(0, 5), top=st.booleans(), uidl=st.booleans() | st.just(True))
    def run(self, refused: int, top: bool, uidl: bool) -> None:
        """A run, which may be refused a message, and holds it then."""
        run = Run(self.ledger, tries=1)
        wanted = run.look(self.box, top=top, uidl=uidl)
        lost = wanted[refused : refused + 1]
        for one in lost:
            fail_fetch(run.listing, one, "no", NOW)
        run.take(self.box, [one for one in wanted if one not in lost])
        run.link()
        hold(self.ledger, owner(self.ledger), tries=1)

    @rule()
    def archive(self) -> None:
        """Everything in the spool is archived."""
        archive_all(self.ledger)

    @rule()
    def set_free(self) -> None:
        """A person has every message tried again."""
        release(self.ledger, [one.row for one in problems(self.ledger)])

    @rule()
    def give_up(self) -> None:
        """A person gives up every message with a problem that can be told from the next one."""
        named = [
            one.row
            for one in problems(self.ledger)
            if one.digest is not None or (one.uidl is not None and one.distrusted is None)
        ]
        give_up(self.ledger, named)

    @rule()
    def set_aside(self) -> None:
        """The store does not take the newest message, which is held then."""
        for name in landing.pending(self.ledger, owner(self.ledger), tries=1)[-1:]:
            for message in landing.load(self.ledger, name).messages[-1:]:
                made = draft(message.length)
                landing.set_aside(self.ledger, [message], made, "bad", NOW)
                hold(self.ledger, owner(self.ledger), tries=1)

    @rule(place=st.integers(0, 99), said=st.sampled_from(["bye", ""]))
    def delete(self, place: int, said: str) -> None:
        """A session sends DELE for some messages, and QUIT."""
        with self.ledger.write() as db:
            db.execute(
                "UPDATE messages SET stage = 'delete_sent', left_at = ?, said = NULL"
                " WHERE stage IN ('archived', 'linked') AND id % 3 = ? AND batch_id IN"
                " (SELECT id FROM batches WHERE archived_at NOTNULL)",
                (int(NOW), place % 3),
            )
            db.execute(
                "UPDATE messages SET said = ? WHERE stage = 'delete_sent' AND said IS NULL", (said,)
            )

    @rule()
    def lose_segment(self) -> None:
        """The newest segment is lost before its upload."""
        segment = self.ledger.value(
            "SELECT segment FROM batches WHERE uploaded_at IS NULL AND segment <> ''"
            " ORDER BY id DESC LIMIT 1"
        )
        if segment is not None:
            give_back(self.ledger, segment)

    @rule()
    def learn(self) -> None:
        """The server turns out to retire what was retrieved."""
        note_retiring(self.ledger, owner(self.ledger))

    @rule()
    def move(self) -> None:
        """Another chain begins."""
        renew_writer(self.ledger)

    @rule()
    def lose_everything(self) -> None:
        """The ledger is lost at a run's end: its manifests give the same, and a checkpoint does."""
        chronicle(self.ledger)
        if not self.told:
            return
        place = self.root / str(next(self.rebuilt))
        place.mkdir()
        lost = dump(self.ledger)
        found = [replayed(place / "fresh.db", self.told)]
        if checkpoints.due(self.ledger, owner(self.ledger)):
            found.append(restored(self.ledger, place))
        for each in found:
            assert {**each, "heads": lost["heads"]} == lost


TestTold = Told.TestCase
TestTold.settings = settings(
    max_examples=50, stateful_step_count=15, deadline=None, derandomize=True
)
