from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query_reference import matches
from test_query_meaning import accounts, attached, make_mail, make_query

from archiver.index import Index, Location, prepare
from archiver.model import Mail
from archiver.query import (
    All,
    Dated,
    Either,
    Field,
    HasAttachment,
    Not,
    Query,
    QueryError,
    Sized,
    Text,
    explain,
    parse,
)

NOW = 1_715_947_200.0
DAY = 86_400
FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = [
    *(f"{field}:" for field in ("from", "id", "type", "digest", "subject", "list", "account")),
    *("after:", "before:", "on:", "larger:", "has:", "form:", "x:", "has:attachment", "filename:"),
    *(" ", " ", "(", ")", "-", '"', "*", " OR ", " AND ", "NOT ", "\x00", "\udcff", "\x1b[2J"),
    *("2024", "0000", "9999-12", "3d", "999999y", "10M", "999999999999999G", "abc", "12", "京"),
    *("'", ";", "%", "_", "[", "?", "<a@b>", "a/b", "é", "\u0301", "\u200b", "\n", "٣"),
]
typed_texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=10).map("".join)


def texts() -> st.SearchStrategy[Text]:
    """Texts that are looked for in a field."""
    anything = st.text(
        st.characters(exclude_characters='"<>', exclude_categories=["Cs"]), max_size=8
    )
    fields = st.sampled_from([field for field in Field if field is not Field.DIGEST])
    words = st.text("abcé東-:'", min_size=1, max_size=4).map("a".__add__)
    return (
        st.builds(Text, fields, anything)
        | st.builds(Text, fields.filter(lambda field: field is not Field.ANY), words, st.just(True))
        | st.builds(Text, st.just(Field.ANY), st.text("abcé東", min_size=1), st.just(True))
        | st.builds(Text, st.just(Field.DIGEST), st.text("0123456789abcdef", min_size=1))
    )


def leaves() -> st.SearchStrategy[Query]:
    """What a query can ask for at the least."""
    days = st.integers(0, 40_000).map(DAY.__mul__)
    sizes = st.integers(0, 1 << 40)
    return (
        texts()
        | st.just(HasAttachment())
        | days.map(lambda day: Dated(since=day))
        | days.map(lambda day: Dated(before=day))
        | days.map(lambda day: Dated(day, day + DAY))
        | sizes.map(lambda size: Sized(larger=size))
        | sizes.map(lambda size: Sized(smaller=size))
    )


def combined(inner: st.SearchStrategy[Query]) -> st.SearchStrategy[Query]:
    """Queries of queries."""
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return inner.map(Not) | several.map(All) | several.map(Either)


def written(query: Query) -> str:
    """A query as a person could have typed it."""
    match query:
        case All(terms):
            return " ".join(map(within, terms))
        case Either(terms):
            return " OR ".join(map(within, terms))
        case Not(term):
            return f"-{within(term)}"
        case HasAttachment():
            return "has:attachment"
        case Dated(None, before):
            return f"before:{day_of(before)}"
        case Dated(since, before):
            return f"{'after' if before is None else 'on'}:{day_of(since)}"
        case Sized(larger, smaller):
            return f"smaller:{smaller}" if larger is None else f"larger:{larger}"
        case Text(field, text, prefix):
            name = "" if field is Field.ANY else f"{field}:"
            return f"{name}{text}*" if prefix else f'{name}"{text}"'


def within(query: Query) -> str:
    """A query inside of another one."""
    return f"({written(query)})" if isinstance(query, All | Either) else written(query)


def day_of(seconds: int | None) -> str:
    """A day as a query writes it."""
    assert seconds is not None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


@FEW
@given(st.recursive(leaves(), combined, max_leaves=8))
def test_what_is_written_is_read(query: Query) -> None:
    """Any query that is written down is read as itself."""
    assert parse(written(query), now=NOW) == query


@pytest.fixture(scope="module")
def mails() -> list[Mail]:
    """Some messages."""
    luck = Random(3)
    return [make_mail(luck, number) for number in range(60)]


@pytest.fixture(scope="module")
def index(mails: list[Mail], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index that holds them."""
    path: Path = tmp_path_factory.mktemp("index") / "index.db"
    with_them = Index.open(path)
    for mail in mails:
        places = [Location(one, f"{one}/{mail.digest}", 0, mail.size) for one in accounts(mail)]
        with_them.add([(prepare(mail, attached(mail)), place) for place in places])
    yield with_them
    with_them.close()


@FEW
@given(typed_texts)
def test_anything_typed_is_a_query_or_a_mistake(index: Index, typed: str) -> None:
    """Whatever is typed can be answered and explained, or is refused with its place."""
    try:
        query = parse(typed, now=NOW)
    except QueryError as error:
        assert error.message.startswith("query, character ")
        assert error.message.isprintable()
        return
    assert explain(query).encode()
    assert index.count(query) == len(index.search(query, limit=1000))


@FEW
@given(st.integers(1_000, 1 << 32).map(Random))
def test_the_index_agrees_with_a_filter(index: Index, mails: list[Mail], luck: Random) -> None:
    """Any query finds what a plain filter finds."""
    query = make_query(luck, mails)
    expected = [
        mail.digest
        for mail in mails
        if matches(query, mail, accounts(mail), " ".join(attached(mail).values()))
    ]
    assert [hit.digest for hit in index.each(query)] == expected
    assert index.count(query) == len(expected)
