"""What the index finds is what a plain filter over all messages finds."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from query_reference import attachments, matches

from archiver.index import Index, Location, Sort, prepare
from archiver.model import Address, Mail, Part
from archiver.query import (
    All,
    Dated,
    Either,
    Field,
    HasAttachment,
    Not,
    Query,
    Sized,
    Text,
    parse,
)

WORDS = [
    *("contract", "Contracts", "übergabe", "Uebergabe", "straße", "STRASSE", "café", "naïve"),
    *("Łódź", "signed", "re", "a", "I", "x1", "2014", "東京", "京都", "東京都に", "عقد", "한국어"),
    *(
        "한국",
        "계약서를",
        "สวัสดีครับ",
        "ครับ",
        "カタカナ",
        "ｶﾀｶﾅ",
        "देवनागरी",
        "שָׁלוֹם",
        "עקד",
        "عَقْد",
        "العقد",
    ),
    *("Ελλάδα", "👍🏽", "ﬁle", "soft\u00adware", "software"),
    *("договор", "e-mail", "10:30", "ann@example.com", "foo_bar", "C++", "don't", "🎉"),
]
PEOPLE = [
    Address("Ann Lee", "ann.lee@example.com"),
    Address("Annika Löwe", "a.loewe@example.org"),
    Address("", "list@lists.example.net"),
    Address("李雷", "li@example.cn"),
    Address("Lee", "bob+tag@mail.example.com"),
    Address("Zoë O'Hara", ""),
]
FILES = ["Contract 2014.pdf", "scan_0001.PDF", "東京.docx", "a.b.c.tar.gz", "übersicht.xlsx", None]
TYPES = ["application/pdf", "image/png", "text/plain", "Application/PDF", "text/html"]
LISTS = ["<dev.lists.example.net>", "<users.example.org>", None, None]
ACCOUNTS = ["work", "ann@example.com", "old-box"]
SEEDS = 400


def text(luck: Random, most: int) -> str:
    """Some words."""
    signs = (" ", " ", ", ", " - ", "\n", ".")
    return "".join(luck.choice(WORDS) + luck.choice(signs) for _ in range(luck.randrange(most)))


def make_mail(luck: Random, number: int) -> Mail:
    """A message drawn at random."""
    digest = hashlib.sha256(b"%d" % number).hexdigest()

    def some(most: int) -> tuple[Address, ...]:
        return tuple(luck.sample(PEOPLE, luck.randrange(most)))

    parts = tuple(
        Part(
            digest=hashlib.sha256(b"%d %d" % (number, place)).hexdigest(),
            size=10,
            type=luck.choice(TYPES),
            name=luck.choice(FILES),
            disposition=luck.choice(("attachment", "inline", None)),
        )
        for place in range(luck.choice((0, 0, 0, 1, 2)))
    )
    return Mail(
        digest=digest,
        header_digest=digest,
        size=luck.choice((100, 1024, 5000, 1 << 20)),
        message_id=luck.choice((f"{number}@example.com", None)),
        date=luck.choice((None, 0, 1_388_534_400, 1_388_534_399, 1_400_000_000, 1_700_000_000)),
        authors=some(2),
        to=some(3),
        cc=some(2),
        bcc=some(2),
        reply_to=some(2),
        subject=text(luck, 5),
        list_id=luck.choice(LISTS),
        text=text(luck, 25),
        parts=parts,
    )


def make_query(luck: Random, mails: list[Mail], depth: int = 0) -> Query:
    """A query drawn at random."""
    if depth < 3 and luck.random() < 0.45:
        inner = tuple(make_query(luck, mails, depth + 1) for _ in range(luck.randrange(1, 4)))
        return luck.choice((All(inner), All(inner), Either(inner), Not(inner[0])))
    one = luck.choice(mails)
    match luck.randrange(8):
        case 0:
            return Dated(luck.choice((None, 0, 1_388_534_400)), luck.choice((None, 1_500_000_000)))
        case 1:
            return Sized(luck.choice((None, 1024, 100)), luck.choice((None, 1024, 5000)))
        case 2:
            return HasAttachment()
        case 3:
            field = luck.choice((Field.ID, Field.ACCOUNT, Field.DIGEST, Field.TYPE))
            values = {
                Field.ID: one.message_id or "none@example.com",
                Field.ACCOUNT: luck.choice((*ACCOUNTS, "WORK", "wor")),
                Field.DIGEST: one.digest[: luck.choice((1, 6, 20, 64))],
                Field.TYPE: luck.choice(("pdf", "image", "PNG", "application/pdf", "app", "*")),
            }
            return Text(field, values[field], luck.random() < 0.2)
        case _:
            names = [name for name in FILES if name]
            said = luck.choice(
                (*WORDS, *names, "lee", "nn", "example", "e", "lists", "@example.com")
            )
            if luck.random() < 0.3:
                said = f"{said} {luck.choice(WORDS)}"
            if luck.random() < 0.2:
                said = said[: luck.randrange(1, 5)]
            return Text(luck.choice([*list(Field)[:11], Field.LIST]), said, luck.random() < 0.2)


@pytest.fixture(scope="module")
def mails() -> list[Mail]:
    """Messages in several scripts."""
    luck = Random(20)
    return [make_mail(luck, number) for number in range(150)]


def attached(mail: Mail) -> dict[str, str]:
    """The text in the attachments of a message, by their digests."""
    return {part.digest: "signed 東京 minutes" for part in attachments(mail)[:1]}


def accounts(mail: Mail) -> list[str]:
    """Who holds a message."""
    number = int(mail.digest[:2], 16)
    return sorted({ACCOUNTS[number % 3], ACCOUNTS[number // 3 % 3]})


@pytest.fixture(scope="module")
def index(mails: list[Mail], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index that holds them all."""
    path: Path = tmp_path_factory.mktemp("index") / "index.db"
    opened = Index.open(path)
    for mail in mails:
        entry = prepare(mail, attached(mail))
        for account in accounts(mail):
            opened.add([(entry, Location(account, f"mail/{account}/{mail.digest}", 0, mail.size))])
    yield opened
    opened.close()


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_generated_queries(index: Index, mails: list[Mail], first: int) -> None:
    """Hundreds of queries find what a plain filter finds, in every order, and count it right."""
    for seed in range(first, first + 100):
        luck = Random(seed)
        query = make_query(luck, mails)
        expected = {
            mail.digest
            for mail in mails
            if matches(query, mail, accounts(mail), " ".join(attached(mail).values()))
        }
        for sort in Sort:
            found = [hit.digest for hit in index.search(query, sort=sort, limit=1000)]
            assert set(found) == expected, (seed, query)
            assert len(found) == len(expected), (seed, query)
        assert index.count(query) == len(expected), (seed, query)
        assert [hit.digest for hit in index.each(query)] == [
            mail.digest for mail in mails if mail.digest in expected
        ], (seed, query)


TYPED = [
    *("contract", '"signed contract"', "contr*", "from:ann", "to:lee -from:ann", "STRASSE"),
    *("has:attachment pdf", "filename:2014", "type:pdf", "larger:1k smaller:10k", "on:2014"),
    *("after:2014 before:2015", "-after:2014", "(東京 OR договор) -signed", "list:dev"),
    *("account:work", "attachment:minutes", "body:minutes", "subject:(a OR 東京)", "bcc:zoe"),
    *(
        "ex*",
        "anyone:example.org OR id:7@example.com",
        "cafe",
        "naive",
        "lodz",
        "京",
        "example.com",
    ),
]


@pytest.mark.parametrize("typed", TYPED)
def test_typed_queries(index: Index, mails: list[Mail], typed: str) -> None:
    """What a person types finds what it means, which is neither nothing nor everything here."""
    query = parse(typed, now=1_700_000_000.0)
    expected = {
        mail.digest
        for mail in mails
        if matches(query, mail, accounts(mail), " ".join(attached(mail).values()))
    }
    assert {hit.digest for hit in index.search(query, limit=1000)} == expected
    assert 0 < len(expected) < len(mails)
