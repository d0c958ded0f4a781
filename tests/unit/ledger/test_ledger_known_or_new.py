from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import (
    Mail,
    Run,
    archive_all,
    fingerprint,
    mail,
    new_ledger,
    owner,
    stages,
    visit,
)

from archiver.ledger import Ledger
from archiver.ledger.seen import Counts

A, B, C = mail("a", "first"), mail("b", "second"), mail("c", "third")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def test_new_mailbox_is_fetched_whole(ledger: Ledger) -> None:
    """An account without history fetches everything and asks for no header."""
    run = Run(ledger)
    assert run.visit([A, B]) == Counts(listed=2, fetched=2)
    assert run.fetched == [A.octets, B.octets]
    assert run.checked == 0
    assert stages(ledger) == {"a": "spooled", "b": "spooled"}


def test_known_by_unique_uidl_and_size(ledger: Ledger) -> None:
    """A unique UIDL with an unchanged size is known without a further word."""
    visit(ledger, A, B)
    run = Run(ledger)
    assert run.visit([A, B]) == Counts(listed=2, known=2)
    assert (run.checked, run.fetched) == (0, [])


def test_numbers_mean_nothing(ledger: Ledger) -> None:
    """Messages that moved to other numbers are known all the same."""
    visit(ledger, A, B)
    assert visit(ledger, B, C, A) == ([C.octets], Counts(listed=3, known=2, fetched=1))


def test_changed_size_is_checked(ledger: Ledger) -> None:
    """Another listed size under a known UIDL is decided by the header, and remembered."""
    visit(ledger, A)
    grown = Mail("a", A.octets, len(A.octets) + 55)
    run = Run(ledger)
    assert run.visit([grown]) == Counts(listed=1, known=1)
    assert run.checked == 1
    again = Run(ledger)
    assert again.visit([grown]) == Counts(listed=1, known=1)
    assert again.checked == 0


def test_changed_size_without_top_is_fetched(ledger: Ledger) -> None:
    """Without TOP a changed size costs a RETR, whose octets turn out to be known."""
    visit(ledger, A)
    grown = Mail("a", A.octets, 999)
    assert visit(ledger, grown, top=False) == ([A.octets], Counts(listed=1, known=1))
    assert visit(ledger, grown, top=False) == ([], Counts(listed=1, known=1))


def test_reused_uidl(ledger: Ledger) -> None:
    """Other octets under a known UIDL are a version of their own, and UIDLs are trusted no more."""
    visit(ledger, A)
    other = mail("a", "another message")
    assert visit(ledger, other) == ([other.octets], Counts(listed=1, fetched=1))
    assert owner(ledger).distrusted == "a UIDL was given to other octets"
    assert ledger.value("SELECT count(*) FROM messages WHERE uidl = 'a'") == 2
    assert visit(ledger, other) == ([], Counts(listed=1, known=1))


def test_reused_uidl_of_equal_size_once_distrusted(ledger: Ledger) -> None:
    """In a distrusted mailbox an equally long message under an old UIDL is not taken for it."""
    visit(ledger, A, mail("a", "other"))
    swapped = mail("a", "FIRST")
    assert swapped.listed_size == A.listed_size
    assert visit(ledger, swapped) == ([swapped.octets], Counts(listed=1, fetched=1))


def test_duplicate_uidls(ledger: Ledger) -> None:
    """Different messages that share one UIDL are all fetched, and all known by their headers."""
    box = [mail("same", word) for word in ("one", "two", "three")]
    assert visit(ledger, *box)[1] == Counts(listed=3, fetched=3)
    assert owner(ledger).distrusted == "two messages shared one UIDL"
    run = Run(ledger)
    assert run.visit(box) == Counts(listed=3, known=3)
    assert (run.checked, run.fetched) == (3, [])


def test_duplicate_uidl_of_a_known_one(ledger: Ledger) -> None:
    """A new message is not skipped because its UIDL is already known."""
    visit(ledger, A)
    twin = mail("a", "a twin")
    assert visit(ledger, A, twin) == ([twin.octets], Counts(listed=2, known=1, fetched=1))


def test_identical_copies_under_one_uidl(ledger: Ledger) -> None:
    """Two identical messages that share a UIDL are stored once and both accounted for."""
    fetched, counts = visit(ledger, A, A)
    assert fetched == [A.octets, A.octets]
    assert counts == Counts(listed=2, fetched=1, linked=1)
    assert ledger.value("SELECT count(*) FROM messages") == 1
    assert visit(ledger, A, A)[1] == Counts(listed=2, known=2)


def test_identical_copies_under_two_uidls(ledger: Ledger) -> None:
    """Two identical messages under two UIDLs are stored once; the second is linked."""
    twin = Mail("twin", A.octets)
    assert visit(ledger, A, twin)[1] == Counts(listed=2, fetched=1, linked=1)
    assert stages(ledger) == {"a": "spooled", "twin": "linked"}
    assert visit(ledger, A, twin) == ([], Counts(listed=2, known=2))


def test_numbers_as_uidls(ledger: Ledger) -> None:
    """Message numbers instead of UIDLs prove nothing: headers decide in every run."""
    assert visit(ledger, mail("1", "x"), mail("2", "y"))[1] == Counts(listed=2, fetched=2)
    assert owner(ledger).distrusted == "the server gives message numbers as UIDLs"
    left = mail("1", "y")
    assert visit(ledger, left) == ([], Counts(listed=1, linked=1))


def test_uidls_without_numbers(ledger: Ledger) -> None:
    """UIDL lines without numbers count by position where there are as many as STAT says."""
    run = Run(ledger)
    box = [A, B]
    run.take(box, run.look(box, uidls=[(None, "a"), (None, "b")]))
    assert run.listing.counts() == Counts(listed=2, fetched=2)
    assert stages(ledger) == {"a": "spooled", "b": "spooled"}
    assert owner(ledger).distrusted is None


def test_too_few_uidls_without_numbers(ledger: Ledger) -> None:
    """UIDL lines without numbers that are not as many as the messages count as none."""
    run = Run(ledger)
    box = [A, B]
    run.take(box, run.look(box, uidls=[(None, "b")]))
    assert run.listing.counts() == Counts(listed=2, fetched=2)
    assert stages(ledger).keys() == {None}
    assert owner(ledger).distrusted == "the server gives no usable UIDLs"


@pytest.mark.parametrize(
    ("uidls", "sizes"),
    [
        ([(1, "a"), (2, "b")], [(1, A.listed_size)]),
        ([(1, "a")], [(1, A.listed_size), (2, B.listed_size)]),
    ],
)
def test_a_number_that_one_answer_lacks(
    ledger: Ledger, uidls: list[tuple[int | None, str]], sizes: list[tuple[int, int | None]]
) -> None:
    """A message that only one of UIDL and LIST names is fetched, and UIDLs are trusted no more."""
    visit(ledger, A, B)
    run = Run(ledger)
    wanted = run.look([A, B], uidls=uidls, sizes=sizes)
    assert [one.number for one in wanted] == [2]
    run.take([A, B], wanted)
    assert run.listing.counts().listed == 2
    assert owner(ledger).distrusted == "UIDL and LIST name different messages"


def test_blank_uidls(ledger: Ledger) -> None:
    """Messages with blank UIDLs are each fetched, counted and known again."""
    box = [Mail("", A.octets), Mail("", B.octets), C]
    assert visit(ledger, *box)[1] == Counts(listed=3, fetched=3)
    assert owner(ledger).distrusted == "a message has no UIDL, or more than one"
    assert visit(ledger, *box) == ([], Counts(listed=3, known=3))


def test_no_uidl(ledger: Ledger) -> None:
    """Without UIDL headers decide, and what is known is not fetched again."""
    assert visit(ledger, A, B, uidl=False)[1] == Counts(listed=2, fetched=2)
    fetched, counts = visit(ledger, B, C, uidl=False)
    assert fetched == [C.octets]
    assert counts == Counts(listed=2, known=1, fetched=1)


def test_neither_uidl_nor_top(ledger: Ledger) -> None:
    """Without UIDL and TOP everything is fetched, and known by its digest."""
    visit(ledger, A, B, uidl=False, top=False)
    fetched, counts = visit(ledger, A, B, C, uidl=False, top=False)
    assert fetched == [A.octets, B.octets, C.octets]
    assert counts == Counts(listed=3, known=2, fetched=1)


def test_uidls_change_wholesale(ledger: Ledger) -> None:
    """After a move of the mailbox headers link every message to its octets without a RETR."""
    visit(ledger, A, B)
    archive_all(ledger)
    moved = [Mail(f"new-{number}", one.octets) for number, one in enumerate([A, B])]
    run = Run(ledger)
    assert run.visit(moved) == Counts(listed=2, linked=2)
    assert (run.checked, run.fetched) == (2, [])
    assert stages(ledger) == {
        "a": "vanished",
        "b": "vanished",
        "new-0": "linked",
        "new-1": "linked",
    }
    assert visit(ledger, *moved) == ([], Counts(listed=2, known=2))


def test_header_shared_by_known_messages(ledger: Ledger) -> None:
    """A header that several known messages have proves nothing: the message is fetched."""
    head = b"Message-ID: <x@example.com>\r\n\r\n"
    visit(ledger, Mail("a", head + b"one"), Mail("b", head + b"two"))
    third = Mail("new", head + b"two")
    assert visit(ledger, third) == ([third.octets], Counts(listed=1, linked=1))


def test_header_shared_within_the_listing(ledger: Ledger) -> None:
    """Two listed messages with one header are both fetched, even when one of them is known."""
    head = b"Message-ID: <x@example.com>\r\n\r\n"
    visit(ledger, Mail("a", head + b"one"))
    box = [Mail("b", head + b"one"), Mail("c", head + b"two")]
    fetched, counts = visit(ledger, *box)
    assert fetched == [one.octets for one in box]
    assert counts == Counts(listed=2, linked=1, fetched=1)


def test_header_that_identifies_nothing(ledger: Ledger) -> None:
    """A header with neither Message-ID nor Received proves nothing: the message is fetched."""
    bare = b"Subject: x\r\n\r\n"
    visit(ledger, Mail("a", bare + b"one"))
    other = Mail("b", bare + b"two")
    assert not fingerprint(other.octets).identifiable
    assert visit(ledger, other) == ([other.octets], Counts(listed=1, fetched=1))


def test_vanished_and_back(ledger: Ledger) -> None:
    """A message that left the mailbox and came back is known by its header, and where it was."""
    visit(ledger, A, B)
    archive_all(ledger)
    visit(ledger, B)
    assert stages(ledger) == {"a": "vanished", "b": "archived"}
    run = Run(ledger)
    assert run.visit([A, B]) == Counts(listed=2, known=2)
    assert run.checked == 1
    assert stages(ledger) == {"a": "archived", "b": "archived"}


def test_linked_vanished_and_back(ledger: Ledger) -> None:
    """A link that left the mailbox and came back is fetched, since its header is another's too."""
    twin = Mail("twin", A.octets)
    visit(ledger, A, twin)
    archive_all(ledger)
    visit(ledger, A)
    assert stages(ledger)["twin"] == "vanished"
    assert visit(ledger, A, twin) == ([twin.octets], Counts(listed=2, known=2))
    assert stages(ledger)["twin"] == "linked"


def test_header_of_a_message_that_is_still_listed(ledger: Ledger) -> None:
    """A new message with the header of one that is known by its UIDL is fetched, not believed."""
    head = b"Message-ID: <m@example.com>\r\nSubject: x\r\n\r\n"
    first, impostor = Mail("first", head + b"one"), Mail("later", head + b"two")
    visit(ledger, first, B)
    archive_all(ledger)
    assert visit(ledger, first, impostor) == (
        [impostor.octets],
        Counts(listed=2, known=1, fetched=1),
    )


def test_what_is_spooled_does_not_vanish(ledger: Ledger) -> None:
    """A message that left the server before it was archived still goes its way."""
    visit(ledger, A)
    visit(ledger)
    assert stages(ledger) == {"a": "spooled"}
    archive_all(ledger)
    assert stages(ledger) == {"a": "archived"}


def test_what_a_server_retires_does_not_vanish(ledger: Ledger) -> None:
    """Where QUIT retires what was retrieved, its absence is no news."""
    visit(ledger, A)
    archive_all(ledger)
    Run(ledger).look([B], retires=True)
    assert stages(ledger)["a"] == "archived"


def test_empty_mailbox(ledger: Ledger) -> None:
    """An empty mailbox is no reason for anything."""
    assert visit(ledger) == ([], Counts())
    assert visit(ledger, uidl=False) == ([], Counts())
