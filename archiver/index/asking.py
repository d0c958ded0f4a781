"""From a query to SQL: a condition on a row of ``messages``, and its parameters.

Whatever a person typed is a parameter, never a part of the SQL. Terms that the full-text table can
answer alone are asked of it in one question, which is quickest: a word that occurs in no address
and no file name. One that does is also looked for inside of those, by trigrams over the distinct
ones; shorter ones by looking through all of them.

A condition is never NULL, so that it can be negated.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.index.normalise import tokens
from archiver.index.people import Role
from archiver.index.threads import find_thread
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
)

_TRIGRAM: Final = 3
_INDEXED_DIGITS: Final = 16

_COLUMNS: Final = {
    Field.SUBJECT: "subject",
    Field.BODY: "body attached",
    Field.ATTACHMENT: "attached",
}
_ROLES: Final = {
    Field.FROM: (Role.FROM,),
    Field.TO: (Role.TO,),
    Field.CC: (Role.CC,),
    Field.BCC: (Role.BCC,),
    Field.ANYONE: tuple(Role),
}
_IN_TABLE: Final = "messages.id IN (SELECT rowid FROM words WHERE words MATCH ?)"
_LIKE_ADDRESSES: Final = "SELECT rowid FROM address_grams WHERE address_grams MATCH ?"
_LIKE_NAMES: Final = "SELECT rowid FROM name_grams WHERE name_grams MATCH ?"
_MANY: Final = 5_000
_NEVER: Final = ("0", ())
_ALWAYS: Final = ("1", ())

Condition = tuple[str, Sequence[object]]
"""SQL with question marks, and what they stand for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the index: rows of ``messages`` for which all of it holds.

    Attributes:
        words: an expression that the full-text table has to match; empty for none.
        rest: a condition on the row besides.
        parameters: for the question marks of ``rest``.
        terms: texts that a snippet should show, normalised.
    """

    words: str
    rest: str
    parameters: tuple[object, ...]
    terms: tuple[str, ...]

    @property
    def condition(self) -> str:
        """All of it as one condition, with ``values`` for its question marks."""
        return f"{_IN_TABLE} AND ({self.rest})" if self.words else self.rest

    @property
    def values(self) -> tuple[object, ...]:
        """What the question marks of ``condition`` stand for."""
        return (self.words, *self.parameters) if self.words else self.parameters

    @property
    def rows(self) -> str:
        """What follows SELECT to get the rows as they are found, with ``values``.

        Unlike ``condition`` it lets SQLite stop early, since nothing is gathered beforehand.
        """
        if not self.words:
            return f"FROM messages WHERE {self.rest}"
        joined = "FROM words CROSS JOIN messages ON messages.id = words.rowid"
        return f"{joined} WHERE words MATCH ? AND ({self.rest})"


def prepare_connection(connection: sqlite3.Connection) -> None:
    """Gives the connection the functions that the conditions use."""
    for name, arguments, function in (
        ("in_address", 3, _in_address),
        ("in_words", 2, _in_words),
        ("has_words", 3, _has_words),
    ):
        connection.create_function(name, arguments, function, deterministic=True)


def ask(connection: sqlite3.Connection, query: Query) -> Asked:
    """How the index answers a query; ``connection`` tells where terms occur at all."""
    words, (rest, parameters) = _Asking(connection).split(query)
    return Asked(words, rest, tuple(parameters), tuple(sought(query)))


def quoted(text: str) -> str:
    """Normalised words as an FTS5 string; they hold no quotes that would end it."""
    return f'"{text}"'


def sought(query: Query) -> list[str]:
    """The texts that a query looks for in what messages say, normalised, each once."""
    match query:
        case All(terms) | Either(terms):
            found = [text for term in terms for text in sought(term)]
        case Text(field, text, _) if field in (Field.ANY, *_COLUMNS):
            found = [_folded(text)]
        case _:
            found = []
    return list(dict.fromkeys(filter(None, found)))


def _folded(text: str) -> str:
    return " ".join(tokens(text))


class _Asking:
    """Builds the condition for a query."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def condition(self, query: Query) -> Condition:
        match query:
            case All():
                return self._all(query)
            case Either(terms):
                return _joined(" OR ", [self.condition(term) for term in terms], _NEVER)
            case Not(term):
                sql, values = self.condition(term)
                return f"NOT ({sql})", values
            case Dated(since, before):
                return _dated(since, before)
            case Sized(larger, smaller):
                return _sized(larger, smaller)
            case HasAttachment():
                return "messages.id IN (SELECT message FROM parts)", ()
            case Text():
                return self._text(query)

    def split(self, query: Query) -> tuple[str, Condition]:
        """What the full-text table alone can answer of a query, and the rest of it."""
        terms = query.terms if isinstance(query, All) else (query,)
        # Beside others, a word without a letter or digit is passed over, as a person would.
        said = [term for term in terms if not _says_nothing(term)] or terms[:1]
        alone = [self._words_alone(term) for term in said]
        rest = [self.condition(term) for term, words in zip(said, alone, strict=True) if not words]
        return " AND ".join(filter(None, alone)), _joined(" AND ", rest, _ALWAYS)

    def _all(self, query: All) -> Condition:
        words, rest = self.split(query)
        return _joined(" AND ", [_in_table(words), rest], _ALWAYS) if words else rest

    def _words_alone(self, term: Query) -> str:
        """What to ask of the full-text table where it has the whole answer, else nothing."""
        if isinstance(term, All | Either):
            each = [self._words_alone(one) for one in term.terms]
            operator = " AND " if isinstance(term, All) else " OR "
            return f"({operator.join(each)})" if each and all(each) else ""
        if not isinstance(term, Text) or not (folded := _folded(term.text)):
            return ""
        if term.field in _COLUMNS:
            return _expression(folded, term)
        if term.field is Field.ANY and not self._is_inside(folded, term):
            return _expression(folded, term)
        return ""

    def _is_inside(self, folded: str, term: Text) -> bool:
        """Whether a text occurs inside an address, a name or a file name."""
        people = self._first(*_people_like(folded, term))
        return people or (len(folded) >= _TRIGRAM and self._first(_LIKE_NAMES, quoted(folded)))

    def _first(self, sql: str, value: str) -> bool:
        return self._connection.execute(f"{sql} LIMIT 1", (value,)).fetchone() is not None

    def _text(self, term: Text) -> Condition:
        folded = _folded(term.text)
        match term.field:
            case Field.ID:
                return self._message_id(term)
            case Field.DIGEST:
                return _digest(term.text.lower())
            case Field.ACCOUNT:
                return _account(term)
            case Field.TYPE:
                return _type(term)
        if not folded:
            return _NEVER
        match term.field:
            case Field.ANY:
                return self._anywhere(folded, term)
            case Field.SUBJECT | Field.BODY | Field.ATTACHMENT:
                return _in_table(_expression(folded, term))
            case Field.FILENAME:
                return self._in_file_names(folded)
            case Field.LIST:
                sql = "SELECT id FROM lists WHERE in_words(name, ?)"
                return f"coalesce(messages.list IN ({sql}), 0)", (folded,)
            case _:
                return self._in_addresses(folded, term)

    def _anywhere(self, folded: str, term: Text) -> Condition:
        words = _in_table(_expression(folded, term))
        if not self._is_inside(folded, term):
            return words
        sql, value = _people_like(folded, term)
        conditions = [words, self._of("message_addresses", "address", "", sql, (value,))]
        if len(folded) >= _TRIGRAM:
            files = self._of("parts", "name", "", _LIKE_NAMES, (quoted(folded),))
            conditions.append(files)
        return _joined(" OR ", conditions, _NEVER)

    def _in_addresses(self, folded: str, term: Text) -> Condition:
        near, values = "", []
        if len(folded) >= _TRIGRAM:
            near = f"id IN ({_LIKE_ADDRESSES}) AND "
            values = [quoted(folded)]
        mailboxes = f"SELECT id FROM addresses WHERE {near}in_address(name, address, ?)"
        roles = ", ".join(str(int(role)) for role in _ROLES[term.field])
        in_role = f"AND role IN ({roles})"
        return self._of(
            "message_addresses", "address", in_role, mailboxes, (*values, _wanted(folded, term))
        )

    def _in_file_names(self, folded: str) -> Condition:
        near, values = "", []
        if len(folded) >= _TRIGRAM:
            near = f"id IN ({_LIKE_NAMES}) AND "
            values = [quoted(folded)]
        sql = f"SELECT id FROM names WHERE {near}in_words(name, ?)"
        return self._of("parts", "name", "", sql, (*values, folded))

    def _of(
        self, table: str, column: str, more: str, sql: str, values: Sequence[object]
    ) -> Condition:
        """Messages with such a row: gathered where there are few, looked up where there are many.

        Args:
            table: the table that has messages.
            column: which of it has to be what ``sql`` selects.
            more: a condition besides.
            sql: selects rows of what messages have in common.
            values: for its question marks.
        """
        found = [row[0] for row in self._connection.execute(sql, values)]
        if not found:
            return _NEVER
        named = f"{column} IN (SELECT value FROM json_each(?)) {more}"
        rows = (json.dumps(found),)
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {named} LIMIT {_MANY})", rows
        ).fetchone()
        if count < _MANY:
            return f"messages.id IN (SELECT message FROM {table} WHERE {named})", rows
        return f"EXISTS (SELECT 1 FROM {table} WHERE message = messages.id AND {named})", rows

    def _message_id(self, term: Text) -> Condition:
        if term.prefix:
            return "coalesce(message_id GLOB ?, 0)", (f"{_literal(term.text)}*",)
        thread = find_thread(self._connection, term.text)
        if thread is None:
            return _NEVER
        threads = "SELECT ? UNION SELECT thread FROM merged WHERE now = ?"
        rows = f"SELECT id FROM messages WHERE thread IN ({threads}) AND message_id = ?"
        return f"messages.id IN ({rows})", (thread, thread, term.text)


def _people_like(folded: str, term: Text) -> tuple[str, str]:
    """What selects the mailboxes that a text occurs in, by address or name."""
    if len(folded) >= _TRIGRAM:
        return _LIKE_ADDRESSES, quoted(folded)
    return "SELECT id FROM addresses WHERE has_words(name, address, ?)", _wanted(folded, term)


def _wanted(folded: str, term: Text) -> str:
    return f"{folded}*" if term.prefix else folded


def _says_nothing(term: Query) -> bool:
    fields = (Field.ANY, *_COLUMNS)
    return isinstance(term, Text) and term.field in fields and not _folded(term.text)


def _joined(operator: str, conditions: Sequence[Condition], otherwise: Condition) -> Condition:
    if not conditions:
        return otherwise
    sql = operator.join(f"({one})" for one, _ in conditions)
    return sql, [value for _, values in conditions for value in values]


def _expression(folded: str, term: Text) -> str:
    columns = _COLUMNS.get(term.field)
    text = quoted(folded) + (" *" if term.prefix else "")
    return f"({text})" if columns is None else f"({{{columns}}} : {text})"


def _in_table(expression: str) -> Condition:
    return _IN_TABLE, (expression,)


def _digest(prefix: str) -> Condition:
    first = prefix[:_INDEXED_DIGITS]
    low, high = (bytes.fromhex(first.ljust(_INDEXED_DIGITS, fill)) for fill in "0f")
    near = "substr(digest, 1, 8) BETWEEN ? AND ?"
    return f"{near} AND lower(hex(digest)) GLOB ?", (low, high, f"{prefix}*")


def _account(term: Text) -> Condition:
    account = _literal(term.text.lower()) + ("*" if term.prefix else "")
    places = "SELECT id FROM places WHERE lower(account) GLOB ?"
    sql = f"SELECT message FROM locations WHERE place IN ({places})"
    return f"messages.id IN ({sql})", (account,)


def _type(term: Text) -> Condition:
    kind = _literal(term.text.lower()) + ("*" if term.prefix else "")
    patterns = (kind,) if "/" in term.text else (kind, f"{kind}/*", f"*/{kind}")
    matches = " OR ".join("lower(type) GLOB ?" for _ in patterns)
    return f"messages.id IN (SELECT message FROM parts WHERE {matches})", patterns


def _literal(text: str) -> str:
    """A text as a pattern of GLOB that stands for itself."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


def _dated(since: int | None, before: int | None) -> Condition:
    conditions: list[Condition] = [("date IS NOT NULL", ())]
    if since is not None:
        conditions.append(("date >= ?", (since,)))
    if before is not None:
        conditions.append(("date < ?", (before,)))
    return _joined(" AND ", conditions, _ALWAYS)


def _sized(larger: int | None, smaller: int | None) -> Condition:
    conditions: list[Condition] = []
    if larger is not None:
        conditions.append(("size > ?", (larger,)))
    if smaller is not None:
        conditions.append(("size < ?", (smaller,)))
    return _joined(" AND ", conditions, _ALWAYS)


def _in_address(name: str, address: str, wanted: str) -> bool:
    """Whether a text is a part of an address, or words of a name; ``*`` behind it: it goes on."""
    return wanted.removesuffix("*") in _folded(address) or _are_words(_folded(name), wanted)


def _in_words(name: str, wanted: str) -> bool:
    """Whether a text is a part of a name."""
    return wanted in _folded(name)


def _has_words(name: str, address: str, wanted: str) -> bool:
    """Whether a mailbox has these very words in its name or address; ``*`` as above."""
    return _are_words(_folded(f"{name} {address}"), wanted)


def _are_words(text: str, wanted: str) -> bool:
    begun = f" {wanted.removesuffix('*')}"
    return (begun if wanted.endswith("*") else f"{begun} ") in f" {text} "
