"""Messages that were imported, in a ledger that a mail server's messages share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import (
    NAME,
    NOW,
    STORE,
    Mail,
    Run,
    archive_all,
    draft,
    fingerprint,
    mail,
    new_ledger,
    owner,
    stages,
    visit,
)

from archiver.ledger import Ledger, events, landing
from archiver.ledger.accounts import open_account, without_server
from archiver.ledger.importing import Importing
from archiver.ledger.landing import Landed
from archiver.ledger.pruning import Pruning
from archiver.ledger.returning import give_back
from archiver.model import Listed, Origin

ORIGIN = Origin("maildir", ("INBOX",), ("\\Seen",), 1_700_000_000)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one account, that of a mail server."""
    with new_ledger(tmp_path) as made:
        yield made


def bring(importing: Importing, *found: Mail) -> str:
    """Lands messages of somebody's files as a batch, and returns its name."""
    offset, landed = 0, []
    for number, each in enumerate(found, start=1):
        what = fingerprint(each.octets)
        landed.append(Landed(Listed(number, None, None), what, offset, NOW, origin=ORIGIN))
        offset += len(each.octets)
    made = draft(offset)
    importing.land(made, landed, NOW)
    return made.name


def test_each_octets_once(ledger: Ledger) -> None:
    """What the account has by any way is known; the second copy in the files adds nothing."""
    visit(ledger, mail("1", "fetched"))
    importing = Importing(ledger, owner(ledger))
    name = bring(importing, mail("1", "fetched"), mail(None, "new"), mail(None, "new"))
    counts = importing.counts()
    assert (counts.listed, counts.known, counts.fetched, counts.linked) == (3, 1, 1, 1)
    (message,) = landing.load(ledger, name).messages
    assert (message.uidl, message.listed_size, message.origin) == (None, None, ORIGIN)
    assert {end: len(rows) for end, rows in importing.unarchived().items()} == {
        "known": 1,
        "fetched": 1,
    }
    again = Importing(ledger, owner(ledger))
    bring(again, mail(None, "new"))
    assert (again.counts().known, again.counts().fetched) == (1, 0)


def test_nothing_new_makes_no_batch(ledger: Ledger) -> None:
    """A batch of what is known already is none."""
    visit(ledger, mail("1", "fetched"))
    before = ledger.value("SELECT count(*) FROM batches")
    bring(Importing(ledger, owner(ledger)), mail(None, "fetched"))
    assert ledger.value("SELECT count(*) FROM batches") == before


def test_listings_say_nothing_about_it(ledger: Ledger) -> None:
    """What was imported does not vanish from a server that never had it, nor is it told of."""
    bring(Importing(ledger, owner(ledger)), mail(None, "old"))
    visit(ledger, mail("1", "fetched"))
    archive_all(ledger)
    events.describe(ledger, owner(ledger))
    before = events.waiting(ledger, owner(ledger))
    _, counts = visit(ledger, mail("1", "fetched"))
    assert (counts.listed, counts.known, counts.vanished) == (1, 1, 0)
    assert stages(ledger) == {None: "archived", "1": "archived"}
    assert events.waiting(ledger, owner(ledger)) == before


def test_header_of_an_imported_message_identifies_nothing(ledger: Ledger) -> None:
    """A message of the same header is fetched, since the file's body may be another one."""
    bring(Importing(ledger, owner(ledger)), mail(None, "same"))
    archive_all(ledger)
    whole = Mail("1", mail(None, "same").octets + b"and what another program has cut off\r\n")
    fetched, counts = visit(ledger, whole)
    assert (fetched, counts.fetched) == ([whole.octets], 1)


def test_server_shows_what_was_imported(ledger: Ledger) -> None:
    """The same octets on a server are fetched once, linked, and known from then on."""
    bring(Importing(ledger, owner(ledger)), mail(None, "same"))
    archive_all(ledger)
    fetched, counts = visit(ledger, mail("1", "same"))
    assert (len(fetched), counts.linked) == (1, 1)
    fetched, counts = visit(ledger, mail("1", "same"))
    assert (len(fetched), counts.known) == (0, 1)


def test_no_question_of_headers_for_its_sake(ledger: Ledger) -> None:
    """Imported messages make no listing ask for headers."""
    bring(Importing(ledger, owner(ledger)), mail(None, "old"))
    archive_all(ledger)
    run = Run(ledger)
    run.visit([mail("1", "a"), mail("2", "b")])
    assert run.checked == 0


@pytest.mark.parametrize("uidl", [True, False])
def test_deletion_leaves_it_out(ledger: Ledger, uidl: bool) -> None:
    """A plan of what to delete has the server's messages alone, also where it has no UIDLs."""
    bring(Importing(ledger, owner(ledger)), mail(None, "old"))
    visit(ledger, mail("1" if uidl else None, "fetched"), uidl=uidl)
    archive_all(ledger)
    pruning = Pruning(ledger, owner(ledger))
    pruning.plan(lambda present: "goes" if present.digest else "stays")
    assert pruning.counts() == {"goes": 1}
    (entry,) = pruning.entries()
    assert entry[2] == fingerprint(mail(None, "fetched").octets).digest


def test_segment_that_is_lost(ledger: Ledger) -> None:
    """What is lost from the spool is forgotten, so that the next import brings it again."""
    importing = Importing(ledger, owner(ledger))
    name = bring(importing, mail(None, "new"))
    give_back(ledger, landing.load(ledger, name).segment)
    assert ledger.value("SELECT count(*) FROM messages") == 0
    again = Importing(ledger, owner(ledger))
    bring(again, mail(None, "new"))
    assert again.counts().fetched == 1


def test_server_of_the_account(ledger: Ledger) -> None:
    """An import leaves an account its server; a new account has none, and is found by that."""
    with ledger.write() as db:
        db.execute("UPDATE accounts SET login_delay = 900, mechanism = 'PLAIN'")
    same = open_account(ledger, NAME, store_url=STORE, host="")
    assert (same.host, same.login_delay, same.mechanism) == ("pop.example.com", 900, "PLAIN")
    made = open_account(ledger, "import", store_url=STORE, host="")
    assert without_server(ledger, made.store) == [made]
