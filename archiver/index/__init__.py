from archiver.index.asking import sought
from archiver.index.conversations import Conversation
from archiver.index.database import Index
from archiver.index.disposal import discard, is_condemned, is_usable
from archiver.index.entry import INDEX_VERSION, Entry, Location, is_attachment, prepare
from archiver.index.reader import Hit, Sort
from archiver.index.snippet import marks
from archiver.index.totals import By, Total

__all__ = [
    "INDEX_VERSION",
    "By",
    "Conversation",
    "Entry",
    "Hit",
    "Index",
    "Location",
    "Sort",
    "Total",
    "discard",
    "is_attachment",
    "is_condemned",
    "is_usable",
    "marks",
    "prepare",
    "sought",
]
