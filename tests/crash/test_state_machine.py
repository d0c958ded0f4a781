"""Random histories of a mailbox and of what archives it, with actions that fail.

``pytest tests/crash/test_state_machine.py --hypothesis-profile long`` plays many more of them.
"""

import json
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from infra.crash import verdict
from infra.crash.conductor import memory
from infra.crash.inprocess import Surroundings, sized, surrounded
from infra.crash.letters import Letter, Letters, alike
from infra.crash.onlooker import Onlooker
from infra.crash.play import command
from infra.crash.postoffice import LOGIN
from infra.crash.power import STATE, STORE
from infra.crash.schedule import World
from infra.crash.verdict import Allowed, Ending
from infra.crash.witness import sha256
from infra.faulty_pop3 import FaultyPop3, Message
from infra.faulty_store import Fault

SERVERS: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "one at a time": {"pipelining": False},
    "no UIDL": {"without": frozenset({"UIDL"})},
    "no TOP": {"without": frozenset({"TOP"})},
    "removes what was retrieved": {"expire": 0},
}
CALLS = st.integers(1, 12)


class History(RuleBasedStateMachine):
    """One account from its first run on.

    No octet leaves the server before it is readable in the store, which is looked at when the
    server is about to remove it; every run that ends accounts for all that it listed; and in the
    end everything is archived that was not taken away by others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.arrived: list[Letter] = []
        self.withdrawn: list[Letter] = []
        self.code = 0
        self.rotten = self.lost = False

    @initialize(
        server=st.sampled_from(sorted(SERVERS)),
        seed=st.integers(0, 99),
        batch=st.sampled_from([1, 2, 500]),
        retiring=st.sampled_from([2, 300]),
    )
    def begin(self, server: str, seed: int, batch: int, retiring: int) -> None:
        """A server with a few letters, and nothing archived yet."""
        self.root = Path(self.stack.enter_context(TemporaryDirectory(dir=memory())))
        for path in (STATE, STORE):
            (self.root / path).parent.mkdir()
        self.letters = Letters(Random(seed))
        self.server = self.stack.enter_context(FaultyPop3(login=LOGIN, **SERVERS[server]))
        self.onlooker = Onlooker(self.root / STORE)
        self.server.onlooker = self.onlooker.look
        self.by = Surroundings(1_790_000_000.0, batch=batch, retiring=retiring)
        self.stack.enter_context(surrounded(self.by))
        self.deliver(count=3, reuses=0.0)

    @rule(count=st.integers(1, 4), reuses=st.sampled_from([0.0, 0.0, 0.5]))
    def deliver(self, count: int, reuses: float) -> None:
        """Letters arrive, some equal to earlier ones, some under a UIDL that was used before."""
        new = [self.letters.draw(reuses=reuses) for _ in range(count)]
        self.arrived += new
        self.server.mailbox += [Message(letter.uidl, letter.octets) for letter in new]

    @precondition(lambda self: self.server.mailbox)
    @rule(place=st.integers(0, 99))
    def withdraw(self, place: int) -> None:
        """Another client deletes one."""
        gone = self.server.mailbox.pop(place % len(self.server.mailbox))
        self.withdrawn.append(Letter(gone.uidl, gone.octets))

    @rule(hours=st.sampled_from([1.0, 30.0, 800.0]))
    def wait(self, hours: float) -> None:
        """Time passes."""
        self.by.began += hours * 3600

    @rule(deletes=st.booleans())
    def run(self, deletes: bool) -> None:
        """A run that nothing disturbs."""
        codes = {0, 3, 7} if self.rotten else {0}
        if deletes and alike(self.arrived):
            # Another message than the one that its header promised is found when it is to go.
            codes.add(3)
        self.archive(codes, deletes=deletes)

    @rule(deletes=st.booleans(), call=CALLS, fault=st.sampled_from(Fault))
    def run_with_store(self, deletes: bool, call: int, fault: Fault) -> None:
        """A run that has something to store, in which a call to the store goes wrong."""
        self.deliver(count=2, reuses=0.0)
        self.rotten = self.rotten or fault is Fault.ROTTEN
        self.archive({0, 3, 6, 7}, deletes=deletes, faults={call: fault})

    @rule(deletes=st.booleans(), cuts=st.lists(CALLS, max_size=3), reset=st.booleans())
    def run_with_drops(self, deletes: bool, cuts: list[int], reset: bool) -> None:
        """A run that has something to fetch, whose sessions are cut after so many commands."""
        self.deliver(count=2, reuses=0.0)
        begun = (None,) * self.server.sessions
        before = self.server.faults
        self.server.faults = replace(before, drop_at=(*begun, *cuts), reset=reset)
        self.archive({0, 3, 5, 7} if self.rotten else {0, 3, 5}, deletes=deletes)
        self.server.faults = before

    def segments(self) -> list[Path]:
        """What waits in the spool."""
        return sorted((self.root / STATE / "spool").rglob("*.seg"))

    @precondition(lambda self: self.segments())
    @rule(place=st.integers(0, 9))
    def lose(self, place: int) -> None:
        """A segment is taken from the spool by other hands."""
        segments = self.segments()
        segment = segments[place % len(segments)]
        octets = segment.read_bytes()
        lost = {sha256(letter.octets) for letter in self.arrived if letter.octets in octets}
        self.onlooker.report.promised -= lost
        segment.unlink()
        self.lost = True

    def archive(
        self, codes: set[int], *, deletes: bool, faults: dict[int, Fault] | None = None
    ) -> None:
        """A run, which may end with one of these codes."""
        self.by.store_faults, self.by.calls = faults or {}, []
        world = World("history", (), deletes=deletes)
        out, err = StringIO(), StringIO()
        with (
            sized(self.by),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            command(world, self.root, self.server.port)
        assert isinstance(end.value.code, int)
        self.code = end.value.code
        assert self.code in codes, err.getvalue()
        for line in out.getvalue().splitlines():
            assert not list(verdict.sums(json.loads(line)))
        self.by.began += 60

    @invariant()
    def nothing_left_too_soon(self) -> None:
        """Whatever the server removed was readable in the store before."""
        assert self.onlooker.report.faults == []

    def teardown(self) -> None:
        """Runs that nothing disturbs bring everything to its end."""
        try:
            if self.arrived:
                self.end()
        finally:
            self.stack.close()

    def end(self) -> None:
        """All that was not taken away is archived once, and nothing else is."""
        for _ in range(4):
            self.run(deletes=True)
        report = self.onlooker.report
        report.left = [Letter(each.uidl, each.octets) for each in self.server.mailbox]
        ending = Ending.of(self.root, report, self.arrived, self.withdrawn)
        # What was put before its segment was lost is put again when it is fetched again.
        allowed = Allowed(rotten=self.rotten or self.lost, left=False)
        assert not list(verdict.wrong(ending, allowed, settled=self.code == 0))


TestHistory = History.TestCase
if settings.get_current_profile_name() == "long":
    TestHistory.settings = settings.get_profile("long")
    # It takes an hour, and says itself how far it is.
    pytest.mark.timeout(0)(TestHistory)
else:
    TestHistory.settings = settings(
        max_examples=40, stateful_step_count=12, deadline=None, derandomize=True
    )
