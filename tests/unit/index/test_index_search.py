from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from index_helpers import asked, finds, index_of, located, mail

from archiver.index.normalise import tokens
from archiver.model import Address, Part
from archiver.query import Field, QueryError, Text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Grüße von Zoë aus Łódź", "zoe lodz grusse"),
        ("cafe in Istanbul", "CAFÉ İSTANBUL"),
        ("Strasse", "straße"),
        ("東京都に住んでいます", "東京"),
        ("東京都に住んでいます", "京都に"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("한국어를 배웁니다", "한국어"),
        ("สวัสดีครับ", "ครับ"),
        ("قرأتُ كِتابًا", "كتابا"),
        ("party 🎉 tonight🎉", "🎉"),
        ("Zoë は 東京 в Москве 🎉", "москве zoe 東京"),
        ("see RFC-5322, please", '"rfc 5322"'),
        ("write to joe.doe@example.com", "joe.doe@example.com"),
    ],
)
def test_finds_in_every_script(text: str, words: str) -> None:
    """Words are found in any script, whichever way they are written."""
    assert finds(mail(text), words)


@pytest.mark.parametrize("words", ["kyoto", "東都", '"b a"', "alpha missing", "京東", "alph"])
def test_does_not_find(words: str) -> None:
    """Every word must occur, phrases in their order, and parts of body words do not count."""
    assert not finds(mail("alpha a b 東京都"), words)


@pytest.mark.parametrize(
    "words",
    [
        "budget",
        "joe",
        "carol@example.org",
        "dave",
        "erin",
        "frank",
        "invoice",
        "voice-2026",
        "ampl",
    ],
)
def test_finds_everywhere(words: str) -> None:
    """Subject, every address field and file names count, the last two by parts of words, too."""
    message = mail(
        "plain body",
        subject="Budget",
        authors=(Address("Joe Doe", "joe@example.com"),),
        to=(Address("", "carol@example.org"),),
        cc=(Address("Dave", ""),),
        bcc=(Address("Erin", "e@example.com"),),
        reply_to=(Address("", "frank@example.com"),),
        parts=(Part(digest="ab" * 32, size=10, type="application/pdf", name="Invoice-2026.pdf"),),
    )
    assert finds(message, words)
    assert finds(message, f"plain {words} budget")


def test_words_from_different_fields() -> None:
    """Each word may match in another field of the message."""
    message = mail("body here", subject="subject", authors=(Address("Zoë", "z@example.com"),))
    assert finds(message, "xample subject zoe body")


HOSTILE = [
    '"',
    '""',
    '"""',
    "'",
    "*",
    "NEAR(",
    "NEAR(a b, 3)",
    "-",
    "-a",
    "AND",
    "a AND",
    "OR NOT",
    "subject:",
    "{subject body}: x",
    "^a",
    "a + b",
    "\x00",
    "a\x00b",
    "'; DROP TABLE messages; --",
    '"' * 10_000,
    '" ' * 5_000,
    "(" * 10_000,
    " ".join(f"word{n}" for n in range(2_000)),
    "x" * 100_000,
    "東" * 10_000,
    "\ud800",
    "%_",
]


@pytest.mark.parametrize("words", HOSTILE, ids=lambda words: repr(words[:20]))
def test_hostile_queries(words: str) -> None:
    """Whatever is typed gets an answer, or is a mistake that is pointed at."""
    with index_of(mail("alpha")) as index:
        with suppress(QueryError):
            index.search(asked(words))
        index.search(Text(Field.ANY, words))
        assert index.count() == 1


def test_query_of_nothing() -> None:
    """Nothing asks for everything; words without a letter or digit find nothing."""
    assert finds(mail("alpha"), "")
    assert not finds(mail("alpha"), '"..." &')
    assert finds(mail("alpha beta"), "alpha & beta")


def test_long_query_needs_every_word() -> None:
    """Words beyond those that are looked for inside of addresses must occur as well."""
    words = [f"word{n}" for n in range(500)]
    assert finds(mail(" ".join(words)), " ".join(words))
    assert not finds(mail(" ".join(words[:-1])), " ".join(words))


def test_many_words_of_addresses() -> None:
    """A hundred words, each a part of an address, are looked for at once."""
    addresses = tuple(Address("", f"person{n}@example.com") for n in range(100))
    words = [f"erson{n}" for n in range(60)] + [f"person{n}" for n in range(60, 100)]
    assert finds(mail("x", to=addresses), " ".join(words))
    assert not finds(mail("x", to=addresses[1:]), " ".join(words))


def test_any_query() -> None:
    """Any text as a query gives an answer."""
    with index_of(mail("alpha", authors=(Address("Zoë", "zoe@example.com"),))) as index:

        @given(st.text())
        def ask(words: str) -> None:
            with suppress(QueryError):
                index.search(asked(words))
            index.search(Text(Field.ANY, words))

        ask()


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text(), st.text(max_size=50), st.text(max_size=50))
@example("a\ud800b", "x\x00y", "", "")
def test_every_word_finds_its_message(text: str, subject: str, name: str, file: str) -> None:
    """Each single word of a message finds it, wherever it stands."""
    message = mail(
        text,
        subject=subject,
        to=(Address(name, "someone@example.com"),),
        parts=(Part(digest="00" * 32, size=0, type="image/png", name=file),),
    )
    with index_of(mail("another"), message) as index:
        for word in f"{text} {subject} {name} {file}".split():
            found = [hit.digest for hit in index.search(Text(Field.ANY, word))]
            assert (message.digest in found) == bool(tokens(word)), word


def test_newest_first() -> None:
    """Hits come newest first, without date last, and can be paged through."""
    old, new, undated = mail("x", date=1_000), mail("x", date=2_000), mail("x", date=None)
    epoch = mail("x", date=0)
    with index_of(undated, old, epoch, new) as index:
        order = [hit.digest for hit in index.search(asked("x"))]
        assert order == [new.digest, old.digest, epoch.digest, undated.digest]
        assert [hit.digest for hit in index.search(asked("x"), limit=2)] == order[:2]
        assert [hit.digest for hit in index.search(asked("x"), limit=2, offset=1)] == order[1:3]


def test_hit() -> None:
    """A hit tells all that is shown of a message, and where its octets lie."""
    picture = Part(digest="aa" * 32, size=7, type="image/png", name=None, disposition="inline")
    report = Part(digest="bb" * 32, size=9, type="text/plain", name="Bericht über.txt")
    message = mail(
        "some text",
        message_id="<1@example.com>",
        date=1_000,
        authors=(Address("Zoë", "zoe@example.com"), Address("", "joe@example.com")),
        to=(Address("B", "b@example.com"), Address("A", "a@example.com")),
        subject="Grüße",
        size=4321,
        parts=(picture, report),
    )
    with index_of(message) as index:
        (hit,) = index.search(asked("text"))
    assert (hit.digest, hit.message_id, hit.date) == (message.digest, "<1@example.com>", 1_000)
    assert (hit.author, hit.to) == (message.authors[0], message.to)
    assert (hit.subject, hit.size, hit.snippet) == ("Grüße", 4321, "some text")
    assert hit.attachments == (Part("aa" * 32, 7, "image/png"), report)
    assert hit.accounts == ("me@example.com",)
    location = located(message)[1]
    assert (hit.places[0].key, hit.places[0].offset, hit.places[0].length) == (
        location.key,
        location.offset,
        location.length,
    )


def test_renderings_of_the_body_are_no_attachments() -> None:
    """A text part without a name is shown only where it says that it is an attachment."""
    html = Part(digest="aa" * 32, size=7, type="text/html")
    note = Part(digest="bb" * 32, size=7, type="text/plain", disposition="attachment")
    with index_of(mail("x", parts=(html, note))) as index:
        (hit,) = index.search(asked("x"))
    assert [part.digest for part in hit.attachments] == ["bb" * 32]


def test_undecodable_text() -> None:
    """Lone surrogates in any field, which SQLite cannot hold, are shown as question marks."""
    message = mail(
        "body \ud800",
        subject="s\udce9",
        message_id="<\udce9>",
        authors=(Address("\udce9", "\udce9@example.com"),),
        parts=(Part(digest="00" * 32, size=0, type="x/\udce9", name="\udce9.png"),),
    )
    with index_of(message) as index:
        (hit,) = index.search(asked("body example png"))
    assert (hit.subject, hit.message_id, hit.snippet) == ("s?", "<?>", "body ?")
    assert hit.author == Address("?", "?@example.com")
    assert [(part.name, part.type) for part in hit.attachments] == [("?.png", "x/?")]


def test_message_by_its_digest() -> None:
    """A message is told by the digest of its octets, and one that is not there is none."""
    message = mail("alpha", subject="hello", date=7, authors=(Address("Zoë", "zoe@example.com"),))
    with index_of(mail("beta"), message) as index:
        hit = index.get(message.digest)
        assert hit is not None
        assert (hit.subject, hit.date, hit.author) == ("hello", 7, message.authors[0])
        assert index.get("ab" * 32) is None
