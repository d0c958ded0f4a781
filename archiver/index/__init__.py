from archiver.index.database import Index
from archiver.index.disposal import discard, is_condemned, is_usable
from archiver.index.entry import INDEX_VERSION, Entry, Location, prepare
from archiver.index.reader import Hit, Sort

__all__ = [
    "INDEX_VERSION",
    "Entry",
    "Hit",
    "Index",
    "Location",
    "Sort",
    "discard",
    "is_condemned",
    "is_usable",
    "prepare",
]
