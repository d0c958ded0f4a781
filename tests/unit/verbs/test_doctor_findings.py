import pytest

from archiver.errors import LoginRefused, ServerUnavailable, StoreError
from archiver.verbs.doctor.findings import Chart, Mark


def chart() -> Chart:
    """A chart of a thing with two facts."""
    return Chart("account", "me", "somewhere", ("host", "port"))


def test_all_facts_are_there() -> None:
    """What could not be seen is there as None, so that scripts find every name."""
    made = chart()
    made.know(port=110)
    assert made.examination().facts == {"host": None, "port": 110}


def test_unknown_facts() -> None:
    """A fact without a fixed name is a mistake of ours."""
    with pytest.raises(AssertionError, match="colour"):
        chart().know(colour="red")


def test_notes_are_no_problem() -> None:
    """What is well, or worth a note, exits 0."""
    made = chart()
    made.ok("tls", "fine")
    made.note("clock", "slow", "set it")
    found = made.examination()
    assert found.exit_code == 0
    assert [one.mark for one in found.findings] == [Mark.OK, Mark.NOTE]


def test_the_most_pressing_problem() -> None:
    """The exit code is that of the most pressing problem, not of the first."""
    made = chart()
    made.problem("sign-in", LoginRefused("no"))
    made.problem("store", StoreError("none"))
    made.problem("server", ServerUnavailable("away"))
    assert made.examination().exit_code == 6


def _fail(made: Chart) -> None:
    with made.step("name"):
        raise ServerUnavailable("no address", hint="check it")


def test_a_step_that_fails() -> None:
    """A step's failure is a finding with its hint, and the next step can still be made."""
    made = chart()
    _fail(made)
    (found,) = made.examination().findings
    assert (found.mark, found.seen, found.advice) == (Mark.PROBLEM, "no address", "check it")
    assert found.exit_code == 5
