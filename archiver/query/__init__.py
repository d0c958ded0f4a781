"""What a person asks of the archive: the words that they type, and what these mean.

Pure: no disk, no clock, no database. The index turns a query into SQL (``index/``).
"""

from archiver.query.explain import explain
from archiver.query.lexer import QueryError
from archiver.query.parser import parse
from archiver.query.terms import (
    EVERYTHING,
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

__all__ = [
    "EVERYTHING",
    "All",
    "Dated",
    "Either",
    "Field",
    "HasAttachment",
    "Not",
    "Query",
    "QueryError",
    "Sized",
    "Text",
    "explain",
    "parse",
]
