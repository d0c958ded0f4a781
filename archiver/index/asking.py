"""From a query to SQL: a condition on a row of ``messages``, and its parameters.

Whatever a person typed is a parameter, never a part of the SQL. Terms that the full-text table can
answer alone are asked of it in one question, which is quickest: a word that occurs in no address
and no file name. One that does is also looked for inside of those, by trigrams over the distinct
ones; shorter ones by looking through all of them.

A condition is never NULL, so that it can be negated.
"""

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
_NEVER: Final = ("0", ())
_ALWAYS: Final = ("1", ())

Condition = tuple[str, Sequence[object]]
"""SQL with question marks, and what they stand for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the index.

    Attributes:
        condition: what must hold of a row of ``messages``.
        parameters: for its question marks.
        words: an expression for the full-text table that ranks what was found; empty for none.
        terms: texts that a snippet should show, normalised.
    """

    condition: str
    parameters: tuple[object, ...]
    words: str
    terms: tuple[str, ...]


def prepare_connection(connection: sqlite3.Connection) -> None:
    """Gives the connection the functions that the conditions use."""
    for name, arguments, function in (
        ("in_address", 3, _in_address),
        ("in_words", 2, _in_words),
    ):
        connection.create_function(name, arguments, function, deterministic=True)


def ask(connection: sqlite3.Connection, query: Query) -> Asked:
    """How the index answers a query; ``connection`` tells where terms occur at all."""
    condition, parameters = _Asking(connection).condition(query)
    texts = sought(query)
    ranked = " OR ".join(quoted(text) for text in texts)
    return Asked(condition, tuple(parameters), ranked, tuple(texts))


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
            case All(terms):
                return self._all(terms)
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
                return "EXISTS (SELECT 1 FROM parts WHERE parts.message = messages.id)", ()
            case Text():
                return self._text(query)

    def _all(self, terms: Sequence[Query]) -> Condition:
        # Beside others, a word without a letter or digit is passed over, as a person would.
        said = [term for term in terms if not _says_nothing(term)] or terms[:1]
        alone = [words for term in said if (words := self._words_alone(term))]
        conditions = [self.condition(term) for term in said if not self._words_alone(term)]
        if alone:
            conditions.insert(0, _in_table(" AND ".join(alone)))
        return _joined(" AND ", conditions, _ALWAYS)

    def _words_alone(self, term: Query) -> str:
        """What to ask of the full-text table where it has the whole answer, else nothing."""
        if not isinstance(term, Text) or not (folded := _folded(term.text)):
            return ""
        if term.field in _COLUMNS:
            return _expression(folded, term)
        if term.field is Field.ANY and not self._is_inside(folded):
            return _expression(folded, term)
        return ""

    def _is_inside(self, folded: str) -> bool:
        """Whether a text occurs inside an address or a file name."""
        if len(folded) < _TRIGRAM:
            return False
        (found,) = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM address_grams WHERE address_grams MATCH ?1)"
            " OR EXISTS (SELECT 1 FROM name_grams WHERE name_grams MATCH ?1)",
            (quoted(folded),),
        ).fetchone()
        return bool(found)

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
                return _in_file_names(folded)
            case Field.LIST:
                sql = "SELECT id FROM lists WHERE in_words(name, ?)"
                return f"coalesce(messages.list IN ({sql}), 0)", (folded,)
            case _:
                return _in_addresses(folded, term)

    def _anywhere(self, folded: str, term: Text) -> Condition:
        words = _in_table(_expression(folded, term))
        if not self._is_inside(folded):
            return words
        grams = quoted(folded)
        addresses = "SELECT rowid FROM address_grams WHERE address_grams MATCH ?"
        names = "SELECT rowid FROM name_grams WHERE name_grams MATCH ?"
        inside = (
            f"messages.id IN (SELECT message FROM message_addresses WHERE address IN ({addresses}))"
            f" OR messages.id IN (SELECT message FROM parts WHERE name IN ({names}))"
        )
        return _joined(" OR ", [words, (inside, (grams, grams))], _NEVER)

    def _message_id(self, term: Text) -> Condition:
        if term.prefix:
            return "coalesce(message_id GLOB ?, 0)", (f"{_literal(term.text)}*",)
        name = term.text
        thread = find_thread(self._connection, name)
        if thread is None:
            return _NEVER
        threads = "SELECT ?1 UNION SELECT thread FROM merged WHERE now = ?1".replace("?1", "?")
        rows = f"SELECT id FROM messages WHERE thread IN ({threads}) AND message_id = ?"
        return f"messages.id IN ({rows})", (thread, thread, name)


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
    return "messages.id IN (SELECT rowid FROM words WHERE words MATCH ?)", (expression,)


def _in_addresses(folded: str, term: Text) -> Condition:
    near, values = "", []
    if len(folded) >= _TRIGRAM:
        near = "id IN (SELECT rowid FROM address_grams WHERE address_grams MATCH ?) AND "
        values = [quoted(folded)]
    roles = ", ".join(str(int(role)) for role in _ROLES[term.field])
    mailboxes = f"SELECT id FROM addresses WHERE {near}in_address(name, address, ?)"
    sql = (
        "messages.id IN (SELECT message FROM message_addresses"
        f" WHERE address IN ({mailboxes}) AND role IN ({roles}))"
    )
    return sql, (*values, f"{folded}*" if term.prefix else folded)


def _in_file_names(folded: str) -> Condition:
    near, values = "", []
    if len(folded) >= _TRIGRAM:
        near = "id IN (SELECT rowid FROM name_grams WHERE name_grams MATCH ?) AND "
        values = [quoted(folded)]
    names = f"SELECT id FROM names WHERE {near}in_words(name, ?)"
    return f"messages.id IN (SELECT message FROM parts WHERE name IN ({names}))", (*values, folded)


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
    sql = f"SELECT 1 FROM parts WHERE parts.message = messages.id AND ({matches})"
    return f"EXISTS ({sql})", patterns


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
    text = wanted.removesuffix("*")
    if text in _folded(address):
        return True
    words = f" {_folded(name)} "
    return f" {text}" in words if wanted.endswith("*") else f" {text} " in words


def _in_words(name: str, wanted: str) -> bool:
    """Whether a text is a part of a name."""
    return wanted in _folded(name)
