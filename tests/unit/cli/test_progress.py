import pytest

from archiver.cli.progress import BarReporter, PlainReporter


def test_waiting_shows_on_a_terminal() -> None:
    """A wait has a row of its own for as long as it lasts, and only then."""
    bars = BarReporter()
    with bars.showing() as shown:
        bars.progress("me", "fetch", 1, 2)
        for _ in range(2):
            bars.waiting("me", 300)
            assert [task.description for task in shown.tasks] == ["me fetch", "me waits"]
            bars.waiting("me", 0)
            assert [task.description for task in shown.tasks] == ["me fetch"]


def test_waiting_is_no_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere the note that says how long it takes is all."""
    PlainReporter().waiting("me", 300)
    PlainReporter().waiting("me", 0)
    assert capsys.readouterr().err == ""
