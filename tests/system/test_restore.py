"""Restoring into a real IMAP server: everything arrives, as it is, each message once."""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from command import PASSWORD, one_clear_line
from restores import ODD, SECRET, Account, Archive, Restorer, account_on, archived, letter

from archiver.state import AccountLock
from infra.dovecot_imap import DovecotImap
from infra.relay import Relay

COUNT = 30
Like = Callable[..., AbstractContextManager[DovecotImap]]


@pytest.fixture(scope="module")
def archive(dovecot_imap: DovecotImap, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """An archive of ordinary letters and odd ones."""
    messages = [letter(number) for number in range(COUNT)] + list(ODD)
    return archived(dovecot_imap, tmp_path_factory.mktemp("archive"), messages)


@pytest.fixture
def restore(archive: Archive, tmp_path: Path) -> Restorer:
    """The command over a copy of that archive's state."""
    return archive.copy(tmp_path)


@pytest.fixture
def account(dovecot_imap: DovecotImap) -> Account:
    """An empty IMAP account."""
    return account_on(dovecot_imap)


def test_everything_arrives_once_and_as_it_is(restore: Restorer, account: Account) -> None:
    """Every message arrives byte for byte over TLS; a second run, and one more, add nothing."""
    tls = (account.url("Old%20mail", "imaps"), "--ca-file", account.server.ca_file)
    (first,) = restore.records(*tls)
    assert (first["folder"], first["appended"], first["refused"]) == ("Old mail", COUNT + 5, 0)
    assert first["octets"] == sum(map(len, restore.archive.messages))
    assert account.everything() == Counter(restore.archive.messages)
    (second,) = restore.records(*tls)
    assert (second["known"], second["appended"]) == (COUNT + 5, 0)
    assert account.everything() == Counter(restore.archive.messages)


def test_dates_flags_and_order(restore: Restorer, account: Account) -> None:
    """The internal date is the message's own, what comes is read, the oldest is the first."""
    restore("letter", account.url("Mail"))
    with account.looking() as session:
        session.select("Mail", readonly=True)
        _, said = session.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        _, subscribed = session.lsub()
    heads = [one[0].decode() for one in said if isinstance(one, tuple)]
    subjects = [one[1].decode() for one in said if isinstance(one, tuple)]
    assert all("\\Seen" in head for head in heads)
    assert "14-Jul-2017 02:40:00 +0000" in heads[0]
    numbers = [int(re.findall(r"\d+", subject)[0]) for subject in subjects]
    assert sorted(numbers[:-1]) == list(range(COUNT))
    assert [number // 4 for number in numbers] == sorted(number // 4 for number in numbers)
    assert subscribed == [b'() "/" Mail']


def test_flags_can_be_chosen(restore: Restorer, account: Account) -> None:
    """``--flags`` names those that messages get, keywords among them, or none."""
    restore("eight", account.url("A"), "--flags", "flagged,$Archived")
    restore("eight", account.url("B"), "--flags", "none")
    with account.looking() as session:
        flags = []
        for folder in "AB":
            session.select(folder, readonly=True)
            flags.append(session.fetch("1", "(FLAGS)")[1][0])
    assert isinstance(flags[0], bytes)
    assert {b"\\Flagged", b"$Archived"} <= set(re.findall(rb"[\\$]\w+", flags[0]))
    assert flags[1] == b"1 (FLAGS (\\Recent))"


def test_folders_by_account_and_year(
    dovecot_imap: DovecotImap, tmp_path: Path, account: Account
) -> None:
    """A pattern makes folders; what two accounts hold is in the folder of each of them."""
    home = tmp_path / "archive"
    home.mkdir()
    shared, mine = letter(0), letter(8)
    made = archived(dovecot_imap, home, [shared, mine], [shared, ODD[0]])
    restore = made.copy(tmp_path)
    restore(account.url("%C3%84lter%20als/{account}/{year}"))
    folders = account.folders()
    first, second = sorted({name.split("/")[1] for name in folders})
    assert first.endswith("@127_0_0_1"), "this server has no dots in names"
    assert folders == {
        f"&AMQ-lter als/{first}/2017": [shared],
        f"&AMQ-lter als/{first}/2019": [mine],
        f"&AMQ-lter als/{second}/2017": [shared],
        f"&AMQ-lter als/{second}/undated": [ODD[0]],
    }
    restore(account.url("%C3%84lter%20als/{account}/{year}"))
    assert account.folders() == folders


def test_deleted_there_is_not_restored_again(restore: Restorer, account: Account) -> None:
    """What somebody deleted stays away, until ``--again``, which puts back only what is gone."""
    restore("letter", account.url("Mail"))
    with account.looking() as session:
        session.select("Mail")
        session.store("1:3", "+FLAGS", "\\Deleted")
        session.expunge()
    (known,) = restore.records("letter", account.url("Mail"))
    assert (known["known"], known["appended"]) == (COUNT + 1, 0)
    assert account.everything().total() == COUNT + 1 - 3
    (again,) = restore.records("letter", account.url("Mail"), "--again")
    assert (again["known"], again["appended"]) == (COUNT + 1 - 3, 3)
    assert account.everything().total() == len(account.everything()) == COUNT + 1


def test_another_folder_is_another_restore(restore: Restorer, account: Account) -> None:
    """What is in one folder is put into another one all the same."""
    restore("eight", account.url("One"))
    restore("eight", account.url("Two"))
    assert account.folders() == {"One": [ODD[1]], "Two": [ODD[1]]}


def test_without_its_record_nothing_comes_twice(restore: Restorer, account: Account) -> None:
    """Where the record was lost, what is in the folder is met there, and other mail left alone."""
    restore("letter", account.url("Mail"))
    with account.looking() as session:
        session.append("Mail", "", "", letter(900))
        session.append("Mail", "", "", letter(0).replace(b"line 0", b"line 1"))
    before = account.everything()
    (restore.state / "restored.db").unlink()
    (met,) = restore.records("letter", account.url("Mail"))
    assert (met["found"], met["appended"]) == (COUNT + 1, 0)
    assert account.everything() == before


@pytest.mark.parametrize(
    ("capability", "appends", "waits"),
    [
        ("", 1, 0),
        ("IMAP4rev1 LITERAL+ UIDPLUS", COUNT, 0),
        ("IMAP4rev1 LITERAL-", COUNT, 0),
        ("IMAP4rev1 MULTIAPPEND UIDPLUS", 1, COUNT),
        ("IMAP4rev1", COUNT, COUNT),
    ],
)
def test_servers_that_can_do_less(
    restore: Restorer,
    dovecot_imap_like: Like,
    capability: str,
    appends: int,
    waits: int,
) -> None:
    """One command for all, one each sent ahead, or one after the other: all arrives, once."""
    with dovecot_imap_like(capability=capability) as server, Relay(server.imap_port) as relay:
        account = account_on(server)
        url = account.url("Mail", port=relay.port)
        (done,) = restore.records("letter", url)
        assert done["refused"] == 0
        (again,) = restore.records("letter", url)
        assert (again["known"], again["appended"]) == (COUNT + 1, 0)
        assert account.everything().total() == len(account.everything()) == COUNT + 1
        said = b"".join(relay.recordings[0].said)
        heard = bytes(relay.recordings[0].heard)
    # The longest one goes alone with LITERAL-, and does not fit beside others.
    assert len(re.findall(rb" APPEND ", said)) in (appends, appends + 1)
    assert len(re.findall(rb"^\+", heard, re.MULTILINE)) >= waits


def test_names_below_a_prefix(restore: Restorer, dovecot_imap_like: Like) -> None:
    """Folders go below the prefix of one's own, with the separator that the server has."""
    with dovecot_imap_like(separator=".", prefix="INBOX.") as server:
        account = account_on(server)
        restore("eight", account.url("Old/a.b%20c"))
        assert account.folders() == {"INBOX.Old.a_b c": [ODD[1]]}


def test_what_a_server_refuses_is_listed(restore: Restorer, dovecot_imap_like: Like) -> None:
    """A message that is too large is refused by name, the others arrive, and the code is 3."""
    with dovecot_imap_like(largest=100_000) as server:
        account = account_on(server)
        (done,) = restore.records(account.url("Mail"), code=3)
        assert account.everything().total() == done["appended"] == COUNT + 4
        (refused,) = done["refusals"]
        assert refused["size"] == len(ODD[4])
        assert refused["reason"]
        told = restore(account.url("Mail"), code=3).stdout
        assert refused["digest"][:12] in told


def test_a_full_account(restore: Restorer, dovecot_imap_like: Like) -> None:
    """Where there is no room for one message a smaller one may still find some."""
    with dovecot_imap_like(quota=150_000) as server:
        account = account_on(server)
        (done,) = restore.records(account.url("Mail"), code=3)
        assert [one["code"] for one in done["refusals"]] == ["OVERQUOTA"]
        assert account.everything().total() == COUNT + 4


def test_a_stated_limit_spares_the_way(restore: Restorer, dovecot_imap_like: Like) -> None:
    """What is larger than APPENDLIMIT is not even sent."""
    with (
        dovecot_imap_like(capability="+APPENDLIMIT=100000") as server,
        Relay(server.imap_port) as relay,
    ):
        account = account_on(server)
        (done,) = restore.records(account.url("Mail", port=relay.port), code=3)
        assert [one["code"] for one in done["refusals"]] == ["TOOBIG"]
        assert sum(map(len, relay.recordings[0].said)) < 100_000
        assert account.everything().total() == COUNT + 4


def test_a_plan_changes_nothing(restore: Restorer, account: Account) -> None:
    """``--dry-run`` says what would go where and what is there, and leaves all as it is."""
    plan = restore("letter", account.url("New/{year}"), "--dry-run").stdout
    assert "New/2017 (is to be made): 4 messages to restore" in plan
    assert account.folders() == {}
    restore("eight", account.url("Mail"))
    (planned,) = restore.records(account.url("Mail"), "--dry-run")
    assert planned == {
        "folder": "Mail",
        "exists": True,
        "holds": 1,
        "known": 1,
        "wanted": COUNT + 4,
        "octets": sum(map(len, restore.archive.messages)) - len(ODD[1]),
    }


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("imaps://u@h", "names no folder"),
        ("imaps://u:secret@h/F", "holds a password"),
        ("imaps://u@h/{nobody}", "no {nobody}"),
        ("pop3s://u@h/F", "no URL of an IMAP folder"),
        ("imaps://h/F", "names no user"),
    ],
)
def test_what_cannot_be_used_is_said(restore: Restorer, url: str, said: str) -> None:
    """A URL that cannot be used ends with 2 and one clear line, which shows no password."""
    done = restore(url, code=2)
    assert said in one_clear_line(done)
    assert "secret" not in done.stderr


def test_wrong_password_and_no_server(restore: Restorer, account: Account) -> None:
    """A refused login ends with 4, a server that is not there with 5, each in one clear line."""
    restore.archiver.environment[PASSWORD] = "wrong"
    done = restore(account.url("Mail"), code=4)
    assert "user name or password is wrong" in one_clear_line(done)
    with Relay(account.server.imap_port) as relay:
        port = relay.port
    gone = restore(account.url("M", port=port), code=5)
    assert "refuses connections" in one_clear_line(gone)
    assert "POP3" not in gone.stderr


def test_starttls_and_its_lack(restore: Restorer, account: Account) -> None:
    """``imap://`` makes the connection secure first, and an unknown authority ends it with 5."""
    url = account.url("Mail", "imap")
    assert "is not trusted" in one_clear_line(restore("eight", url, code=5))
    done = restore("eight", url, "--ca-file", account.server.ca_file)
    assert "no TLS" not in done.stderr
    assert "no TLS" in restore("eight", account.url("Mail")).stderr
    assert account.folders() == {"Mail": [ODD[1]]}
    assert SECRET not in done.stderr + done.stdout


def test_nothing_matched(restore: Restorer, account: Account) -> None:
    """A query that nothing matches ends with 9, and makes no folder."""
    restore("nobodywrotethis", account.url("Mail"), code=9)
    assert account.folders() == {}


def test_line_ends_and_nul(
    dovecot_imap: DovecotImap, tmp_path: Path, dovecot_imap_like: Like
) -> None:
    """What a server stores in its own way is met again all the same; NUL needs BINARY."""
    home = tmp_path / "archive"
    home.mkdir()
    odd = [b"Subject: bare\n\na\nb\r\n", b"Subject: nul\r\n\r\na\0b\r\n"]
    odd += [b"Subject: twice\r\n\r\na\r\r\nb", b"Subject: end\r\n\r\n\r\n\r\n"]
    restore = archived(dovecot_imap, home, odd).copy(tmp_path)
    account = account_on(dovecot_imap)
    restore(account.url("Mail"))
    # What POP3 served had CRLF, and IMAP shows NUL as this server does.
    held = account.everything()
    served = [dovecot_imap.served(each) for each in odd]
    assert held == Counter(each.replace(b"\0", b"\x80").replace(b"\r\r", b"\r") for each in served)
    (restore.state / "restored.db").unlink()
    (met,) = restore.records(account.url("Mail"))
    assert (met["found"], met["appended"]) == (4, 0)
    with dovecot_imap_like(capability="IMAP4rev1 LITERAL+") as server:
        (done,) = restore.records(account_on(server).url("Mail"), code=3)
    assert done["appended"] == 3
    assert ["NUL" in one["reason"] for one in done["refusals"]] == [True]


def test_damage_costs_its_own_message(
    dovecot_imap: DovecotImap, tmp_path: Path, account: Account
) -> None:
    """A message whose octets are not what was archived is named, the others go; the code is 7."""
    home = tmp_path / "archive"
    home.mkdir()
    restore = archived(dovecot_imap, home, [letter(0), letter(1)]).copy(tmp_path)
    spoilt = next(home.rglob("*.eml"))
    spoilt.write_bytes(spoilt.read_bytes().replace(b"line", b"lime"))
    (done,) = restore.records(account.url("Mail"), code=7)
    assert [one["digest"] for one in done["refusals"]] == [spoilt.stem]
    assert account.everything().total() == done["appended"] == 1


def test_what_is_not_indexed_is_told(restore: Restorer, account: Account) -> None:
    """A restore that may lack archived messages says so, and ends with 3."""
    with closing(sqlite3.connect(restore.state / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE batches SET indexed_at = NULL")
    done = restore(account.url("Mail"), code=3)
    assert f"{COUNT + 5} archived messages are not in the index yet" in done.stderr


def test_one_at_a_time(restore: Restorer, account: Account) -> None:
    """While another one restores into the account, a second ends with 8."""
    restore("eight", account.url("Mail"))
    name = f"{account.user}@127.0.0.1:{account.server.imap_port} (IMAP)"
    with AccountLock(restore.state / "locks", name, "restore"):
        done = restore(account.url("Mail"), code=8)
    assert "in use by archiver restore" in one_clear_line(done)


def test_queries(restore: Restorer, account: Account) -> None:
    """A query chooses what is restored; a mistyped option is not taken for one."""
    restore("before:2018", "has:nothing", account.url("A"), code=2)
    restore("letter", "--dryrun", account.url("A"), code=2)
    (done,) = restore.records("letter", "before:2018", account.url("A"))
    assert done["appended"] == 4
