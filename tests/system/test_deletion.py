"""Deletion on a real server, from archiving to the receipts in the manifests."""

import poplib
from pathlib import Path
from typing import Any

from by_hand import Place, check_archive, heads, objects_in_directory, read_mailbox
from command import PASSWORD, Archiver, account_of, one_clear_line, source
from letters import HOSTILE, whole_mailbox

from infra.bench.mailbox import make_messages
from infra.fixtures import Mailbox

DELETE = ("--delete", "verified")
ALL = "--yes-delete-all"
COUNT = 12


def letters(count: int, seed: int = 3) -> list[bytes]:
    """Ordinary mail with line ends as a maildir has them."""
    return [one.replace(b"\r\n", b"\n") for one in make_messages(count, "mixed", seed)]


def read(box: Mailbox) -> list[bytes]:
    """Every message as the server sends it."""
    return read_mailbox(box.port, box.user, box.password)


def kinds(records: list[Any], kind: str) -> list[Any]:
    """The records of one kind."""
    return [record for record in records if record["kind"] == kind]


def test_archived_and_deleted_in_one_run(mailbox: Mailbox, place: Place, tmp_path: Path) -> None:
    """What is archived is deleted and confirmed by the same run; manifests hold the receipts.

    Before a mailbox is emptied a person has to say so. A further run finds nothing to do.
    """
    mailbox.add(whole_mailbox(16, seed=5))
    held = read(mailbox)
    run = Archiver(tmp_path, {PASSWORD: mailbox.password, **place.environment})
    options = (*source(mailbox), "--store", place.url, "--state", "s", "--json")

    stopped = run("run", *options, *DELETE, code=3)
    assert f"all {len(held)} messages of the mailbox would be deleted" in one_clear_line(stopped)
    assert "  archiver prune --dry-run shows the plan; --yes-delete-all" in stopped.stderr
    assert stopped.record["archived"] == len(set(held))
    assert (stopped.record["deleted"], len(mailbox.left())) == (0, len(held))

    report = run("run", *options, *DELETE, ALL).record
    assert report["known"] == report["deleted"] == report["gone"] == len(held)
    assert mailbox.left() == []

    objects = place.objects()
    account = account_of(mailbox)
    records = check_archive(objects, account, held)
    assert heads(objects, account) == [report["head"]] != [stopped.record["head"]]
    deleted, gone = kinds(records, "deleted"), kinds(records, "gone")
    assert {record["said"] for record in deleted} == {"Logging out, messages deleted."}
    named = [(record["uidl"], record["digest"]) for record in deleted]
    assert named == [(record["uidl"], record["digest"]) for record in gone]
    assert len(set(named)) == len(held)

    idle = run("run", *options, *DELETE).record
    assert (idle["listed"], idle["deleted"], idle["head"]) == (0, 0, report["head"])
    assert place.objects() == objects


def test_policies(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """Settings say what may go, and options of the same names replace them."""
    small = [b"Subject: small %d\nMessage-ID: <%d@example.com>\n\nx\n" % (n, n) for n in range(3)]
    mailbox.add([*small, *letters(COUNT - len(small))])
    url = source(mailbox)[1]
    state = 'state = "s"\n[store]\nurl = "archive"\n'
    account = f'[accounts.work]\nserver = "{url}"\npassword_env = "{PASSWORD}"\n'
    file = tmp_path / "archiver.toml"

    def prune(*options: object, policy: str = "", code: int = 0) -> dict[str, Any]:
        file.write_text(state + account + policy)
        return archiver("prune", "work", *options, "--json", code=code).record

    file.write_text(state + account)
    archiver("run")
    assert prune()["kept"] == {"policy-never": COUNT}
    assert prune(*DELETE, "--after-days", "1")["kept"] == {"too-young": COUNT}
    stopped = prune(*DELETE, "--max-delete", "2", "--keep-latest", "3", code=3)
    assert (stopped["planned"], stopped["deleted"]) == (COUNT - 3, 0)
    assert len(mailbox.left()) == COUNT

    verified = 'delete = "verified"\nlarger_than = 200\nkeep_latest = 4\n'
    pruned = prune(policy=verified)
    assert pruned["kept"] == {"kept-latest": 4, "too-small": 3}
    assert pruned["planned"] == pruned["deleted"] == pruned["gone"] == COUNT - 7
    assert mailbox.left()[:3] == small
    pruned = prune("--larger-than", "0", policy=verified)
    assert (pruned["kept"], pruned["deleted"]) == ({"kept-latest": 4}, 3)
    assert len(mailbox.left()) == 4


def test_plan_alone(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """A dry run shows each message, deletes none, and asks for no password."""
    mailbox.add(letters(3))
    options = (*source(mailbox)[:2], "--store", "archive", "--state", "s")
    archiver("run", *options, "--password-env", PASSWORD)
    archive = objects_in_directory(tmp_path / "archive")
    archiver.environment.clear()
    *planned, report = archiver(
        "prune", *options, "--dry-run", "--keep-latest", "1", "--json"
    ).records
    assert [list(one) for one in planned] == [
        ["account", "uidl", "digest", "size", "action", "reason"]
    ] * 3
    assert [(one["action"], one["reason"]) for one in planned] == [
        ("delete", None), ("delete", None), ("keep", "kept-latest"),
    ]  # fmt: skip
    assert report["deleted"] == 0
    shown = archiver("prune", *options, "--dry-run", "--keep-latest", "1").stdout
    assert [line.split()[1] for line in shown.splitlines()] == ["goes", "goes", "stays"]
    assert len(mailbox.left()) == 3
    assert objects_in_directory(tmp_path / "archive") == archive


def test_mailbox_that_others_use(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """What another client deleted meanwhile is told apart from what we did, and new mail stays."""
    mailbox.add(letters(6))
    held = read(mailbox)
    options = (*source(mailbox), "--store", "archive", "--state", "s", "--json")
    archiver("run", *options)
    other = poplib.POP3("127.0.0.1", mailbox.port)
    other.user(mailbox.user)
    other.pass_(mailbox.password)
    other.dele(2)
    other.quit()
    mailbox.add(HOSTILE[3:5])
    held += read(mailbox)[-2:]

    pruned = archiver("prune", *options, ALL).record
    assert (pruned["planned"], pruned["deleted"], pruned["gone"]) == (6, 5, 5)
    assert mailbox.left() == list(HOSTILE[3:5])
    report = archiver("run", *options, *DELETE).record
    assert (report["fetched"], report["deleted"], report["gone"]) == (2, 2, 2)
    assert mailbox.left() == []

    records = check_archive(objects_in_directory(tmp_path / "archive"), account_of(mailbox), held)
    (vanished,) = kinds(records, "vanished")
    gone = {record["uidl"] for record in kinds(records, "gone")}
    assert len(gone) == 7
    assert vanished["uidl"] not in gone


def test_words_for_a_person(mailbox: Mailbox, archiver: Archiver) -> None:
    """A run says how many messages it deleted, why others stay, and where a policy is to blame."""
    mailbox.add(letters(3))
    options = (*source(mailbox), "--store", "archive", "--state", "s")
    said = archiver("run", *options, *DELETE, "--keep-latest", "1").stderr
    assert "deleted   2 on the server; 2 are confirmed gone" in said
    assert "stay on the server: 1 among the newest" in said
    said = archiver("prune", *options, "--larger-than", "1GiB").stderr
    assert "0 of 0 messages that may go were deleted" in said
    assert "stay      1 not large enough" in said
