"""Which messages are one conversation, in whatever order they come."""

from itertools import permutations

import pytest
from index_helpers import asked, index_of, mail

from archiver.model import Address, Mail

FIRST = mail("a", message_id="1@x", subject="Plan", date=1_000)
SECOND = mail("b", message_id="2@x", in_reply_to=("1@x",), subject="Re: Plan", date=2_000)
THIRD = mail("c", message_id="3@x", references=("1@x", "2@x"), subject="Re: Plan", date=3_000)
FORWARD = mail("d", message_id="4@x", references=("9@x",), subject="Else", date=4_000)
OTHER = mail("e", message_id="5@x", references=("9@x",), subject="Other", date=5_000)


def groups(*mails: Mail) -> list[set[str]]:
    """The conversations that messages make when they come in this order."""
    with index_of(*mails) as index:
        by_thread: dict[int, set[str]] = {}
        for hit in index.search(asked("")):
            by_thread.setdefault(hit.thread, set()).add(hit.digest)
        found = index.conversations(asked(""))
        assert {one.thread for one in found} == set(by_thread)
        for one in found:
            assert one.messages == one.matched == len(by_thread[one.thread])
            assert {hit.digest for hit in one.hits} == by_thread[one.thread]
    return list(by_thread.values())


def digests(*mails: Mail) -> set[str]:
    """Their digests."""
    return {message.digest for message in mails}


@pytest.mark.parametrize("order", list(permutations((FIRST, SECOND, THIRD))))
def test_any_order(order: tuple[Mail, ...]) -> None:
    """Messages that name each other are one conversation, in whatever order they come."""
    assert groups(*order) == [digests(FIRST, SECOND, THIRD)]


@pytest.mark.parametrize("order", list(permutations((FIRST, THIRD, FORWARD, OTHER))))
def test_missing_links(order: tuple[Mail, ...]) -> None:
    """A message that is not there joins those that name it."""
    found = groups(*order)
    assert sorted(map(sorted, found)) == sorted(
        map(sorted, [digests(FIRST, THIRD), digests(FORWARD, OTHER)])
    )


def test_a_link_joins_two_conversations() -> None:
    """A message that names messages of two conversations makes them one."""
    link = mail("l", message_id="6@x", references=("3@x", "9@x"), date=6_000)
    assert groups(FIRST, FORWARD, OTHER, THIRD, link) == [
        digests(FIRST, THIRD, FORWARD, OTHER, link)
    ]


@pytest.mark.parametrize("subject", ["Re: Plan", "RE: plan", "AW: Re: Plan", "Re[2]: Plan"])
def test_subject_as_a_last_resort(subject: str) -> None:
    """A reply that names no message goes with the newest one that it can answer."""
    older = mail("o", message_id="8@x", subject="Plan", date=500)
    reply = mail("r", message_id="7@x", subject=subject, date=2_500)
    assert digests(FIRST, reply) in groups(older, FIRST, reply)


@pytest.mark.parametrize(
    ("subject", "date"),
    [("Plan", 2_500), ("Re: Plan", 10_000_000), ("Re: Plan", 500), ("Re: Other plan", 2_500)],
)
def test_what_answers_nothing(subject: str, date: int) -> None:
    """The same subject alone, months later or before it, is another conversation."""
    assert len(groups(FIRST, mail("r", message_id="7@x", subject=subject, date=date))) == 2


def test_what_matches_in_a_conversation() -> None:
    """A conversation tells how many of its messages match, and who wrote in it."""
    ann, bob = Address("Ann", "ann@x"), Address("", "bob@x")
    first = mail("alpha", message_id="1@x", date=1_000, authors=(ann,))
    second = mail("beta", message_id="2@x", references=("1@x",), date=2_000, authors=(bob,))
    with index_of(second, first) as index:
        (one,) = index.conversations(asked("beta"))
        assert (one.messages, one.matched, one.authors) == (2, 1, ("Ann", "bob@x"))
        assert [hit.digest for hit in one.hits] == [second.digest]
        assert index.conversations(asked("beta"), offset=1) == []


def test_the_newest_match_first() -> None:
    """Conversations come in the order of their newest matches."""
    with index_of(FIRST, FORWARD, SECOND) as index:
        found = index.conversations(asked(""))
        assert [one.hits[-1].digest for one in found] == [FORWARD.digest, SECOND.digest]
        assert [hit.digest for hit in found[1].hits] == [FIRST.digest, SECOND.digest]
