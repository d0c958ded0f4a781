"""Which messages may go: every reason, and which of several is named."""

from dataclasses import replace

import pytest

from archiver.config import Deletion
from archiver.model import Present, Stage
from archiver.stages.prune_plan import WORDS, Verdict, brake, judge

DAY = 86_400
NOW = 1_780_000_000.0
MESSAGE = Present(
    row=1,
    uidl="a",
    digest="ab" * 32,
    size=1000,
    stage=Stage.ARCHIVED,
    troubled=False,
    archived_at=int(NOW) - 10 * DAY,
    newer=5,
)
VERIFIED = Deletion(delete="verified")


def test_archived_message_goes() -> None:
    """What is archived goes where the policy says so, and a link to it too."""
    assert judge(MESSAGE, VERIFIED, NOW) is Verdict.GOES
    assert judge(replace(MESSAGE, stage=Stage.LINKED), VERIFIED, NOW) is Verdict.GOES


@pytest.mark.parametrize(
    ("message", "policy", "verdict"),
    [
        (MESSAGE, Deletion(), Verdict.NEVER),
        (replace(MESSAGE, archived_at=None), VERIFIED, Verdict.NOT_ARCHIVED),
        (replace(MESSAGE, stage=Stage.SPOOLED), VERIFIED, Verdict.NOT_ARCHIVED),
        (replace(MESSAGE, stage=Stage.LISTED, digest=None), VERIFIED, Verdict.NOT_ARCHIVED),
        (replace(MESSAGE, archived_at=None, troubled=True), VERIFIED, Verdict.PROBLEM),
        (replace(MESSAGE, troubled=True), VERIFIED, Verdict.PROBLEM),
        (MESSAGE, replace(VERIFIED, after_days=11), Verdict.TOO_YOUNG),
        (MESSAGE, replace(VERIFIED, after_days=10), Verdict.GOES),
        (MESSAGE, replace(VERIFIED, keep_latest=6), Verdict.KEPT_LATEST),
        (MESSAGE, replace(VERIFIED, keep_latest=5), Verdict.GOES),
        (MESSAGE, replace(VERIFIED, larger_than=1000), Verdict.TOO_SMALL),
        (MESSAGE, replace(VERIFIED, larger_than=999), Verdict.GOES),
    ],
)
def test_reasons(message: Present, policy: Deletion, verdict: Verdict) -> None:
    """Each reason keeps a message, up to and not beyond its bound."""
    assert judge(message, policy, NOW) is verdict


def test_every_verdict_has_words() -> None:
    """A person is told each reason in words."""
    assert set(WORDS) == set(Verdict)


@pytest.mark.parametrize(
    ("going", "listed", "most", "stops"),
    [
        (11, 11, 5000, True),
        (10, 10, 5000, False),
        (10, 11, 5000, False),
        (0, 0, 5000, False),
        (5000, 9000, 5000, False),
        (5001, 9000, 5000, True),
        (1, 2, 0, True),
    ],
)
def test_brake(going: int, listed: int, most: int, stops: bool) -> None:
    """Emptying a mailbox of more than ten, or deleting more than is allowed, needs a word."""
    assert (brake(going, listed, Deletion(max_delete=most)) is not None) is stops
