"""The leases of a run, with a clock that a test owns and a worker that does as told."""

from typing import Any, cast

import pytest

from archiver.errors import AlreadyRunning, StoreError
from archiver.stages.lease import LIFE_SECONDS
from archiver.workers import Leases, Worker
from archiver.workers.tasks import GiveUpLease, TakeLease

NOW = 1_780_000_000.0


class Machine:
    """A clock and a worker."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.tasks: list[Any] = []
        self.error: Exception | None = None
        self.leases = Leases(self)

    def now(self) -> float:
        """Seconds since the epoch."""
        return NOW + self.passed

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Does not wait."""

    def run(self, task: Any) -> None:
        """Does a task as told."""
        self.tasks.append(task)
        if self.error is not None:
            raise self.error

    def hold(self, account: str = "me") -> None:
        """Sees to it that an account is held."""
        self.leases.hold(account, "writer", cast(Worker, self))

    def give_up(self) -> None:
        """Gives up all that is held."""
        self.leases.give_up(cast(Worker, self))


@pytest.fixture
def machine() -> Machine:
    """A machine that holds nothing."""
    return Machine()


def test_nothing_is_asked_without_need(machine: Machine) -> None:
    """A run that archives nothing takes no lease, and has none to give up."""
    assert not machine.leases.holds_any()
    machine.give_up()
    assert machine.tasks == []


def test_taken_once_and_then_each_third_of_its_life(machine: Machine) -> None:
    """The first batch takes the lease, and one that comes when a third of its life is over."""
    for seconds in (0.0, 1.0, 199.0, 200.0, 300.0, 400.0):
        machine.passed = seconds
        machine.hold()
    assert [task.now - NOW for task in machine.tasks] == [0.0, 200.0, 400.0]
    leases = [task.lease for task in machine.tasks]
    assert [lease.until - LIFE_SECONDS - NOW for lease in leases] == [0.0, 200.0, 400.0]
    assert {(lease.holder, lease.since) for lease in leases} == {("writer", NOW)}
    assert all(isinstance(task, TakeLease) for task in machine.tasks)


def test_each_account_has_its_own(machine: Machine) -> None:
    """Accounts are held and given up one by one."""
    machine.hold("a")
    machine.hold("b")
    assert machine.leases.holds_any()
    machine.give_up()
    assert not machine.leases.holds_any()
    assert [type(task) for task in machine.tasks] == [TakeLease] * 2 + [GiveUpLease] * 2
    assert {task.account for task in machine.tasks[2:]} == {"a", "b"}


def test_refused_for_good(machine: Machine) -> None:
    """An account that another machine holds is not asked for again in this run."""
    machine.error = AlreadyRunning("another has it")
    for _ in range(3):
        with pytest.raises(AlreadyRunning, match="another has it"):
            machine.hold()
    assert len(machine.tasks) == 1
    machine.error = None
    machine.hold("other")
    with pytest.raises(AlreadyRunning):
        machine.hold()


def test_lost_on_the_way(machine: Machine) -> None:
    """A lease that ran out and went to another machine is neither used nor given up."""
    machine.hold()
    machine.passed = 1000.0
    machine.error = AlreadyRunning("another has it")
    with pytest.raises(AlreadyRunning):
        machine.hold()
    assert not machine.leases.holds_any()


def test_a_store_that_fails(machine: Machine) -> None:
    """A store that cannot be reached refuses nobody: the next try asks again."""
    machine.error = StoreError("no store")
    with pytest.raises(StoreError):
        machine.hold()
    machine.error = None
    machine.hold()
    assert len(machine.tasks) == 2
