"""What people already have: maildirs, mbox files, trees of .eml files, Outlook's .pst files.

Everything here only reads, follows no symbolic link below what it was given, and tolerates that
files change or go meanwhile.
"""

from archiver.sources.letter import Letter, Trouble
from archiver.sources.mbox import Mbox
from archiver.sources.tree import Source

__all__ = ["Letter", "Mbox", "Source", "Trouble"]
