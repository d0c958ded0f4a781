"""Text of docx, xlsx, pptx, odt, ods and odp: XML in a zip, read as a stream by expat.

Nothing is built in memory but the text. A document type declaration is refused, for no such file
has one, so no entity is ever declared or fetched. How much is inflated is limited, whatever the
directory of the zip says.
"""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, Final
from xml.parsers import expat

from archiver.extract.gathering import Broken, Gathered

INFLATED_LIMIT: Final = 256 << 20
"""Octets of XML that are read from one file."""

DEPTH_LIMIT: Final = 1000
"""Elements in one another."""

_CHUNK = 64 * 1024
_PREFIXES: Final = (
    ("word/document", "word/header", "word/footer"),
    ("word/footnotes", "word/endnotes", "word/comments"),
    ("xl/sharedStrings", "xl/worksheets/sheet", "xl/comments"),
    ("ppt/slides/slide", "ppt/notesSlides/notesSlide"),
)
_STARTS: Final = tuple(start for starts in _PREFIXES for start in starts)
# A paragraph, a cell and a line end: the words on either side are not one word.
_ENDS: Final = frozenset({"p", "h", "br", "tab", "s", "si", "c", "is", "line-break", "table-cell"})
_TEXT: Final = frozenset({"t"})


def read_office(file: BinaryIO, into: Gathered) -> None:
    """Gathers the text of an office file.

    Args:
        file: seekable.
        into: takes the text.

    Raises:
        Broken: it is no office file, or a hostile one.
        Enough: there is more than is wanted.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = list(_members(archive))
            if not members:
                raise Broken("no office file")
            left = INFLATED_LIMIT
            for name in members:
                with archive.open(name) as member:
                    left = _read_xml(member, into, left, whole=name == "content.xml")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
        raise Broken("no zip that can be read") from error
    except (EOFError, OSError, ValueError, RuntimeError, zlib.error) as error:
        raise Broken("a damaged zip, or an encrypted one") from error


def _members(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        if name == "content.xml" or (name.endswith(".xml") and name.startswith(_STARTS)):
            yield name


def _read_xml(member: IO[bytes], into: Gathered, left: int, *, whole: bool) -> int:
    """Reads one member, and says how many octets more may be inflated."""
    parser = _parser(into, whole=whole)
    try:
        while chunk := member.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise Broken("it inflates without end")
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Broken("no XML") from error
    return left


def _parser(into: Gathered, *, whole: bool) -> "expat.XMLParserType":
    """A parser that gathers the text of the body, or what stands in elements of text only."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    wanted = depth = 0
    shared = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal wanted, shared, depth
        depth += 1
        if depth > DEPTH_LIMIT:
            raise Broken("it is nested without end")
        local = name.rpartition(" ")[2]
        if local == "c":
            shared = attributes.get("t") == "s"
        # A cell's value is a number, unless it is the place of a string that is told elsewhere.
        if local == "body" if whole else local in _TEXT or (local == "v" and not shared):
            wanted += 1

    def end(name: str) -> None:
        nonlocal wanted, depth
        depth -= 1
        local = name.rpartition(" ")[2]
        if local == "body" if whole else local in _TEXT or (local == "v" and not shared):
            wanted -= 1
        if local in _ENDS:
            into.add("\n" if local in ("p", "h") else " ")

    def characters(text: str) -> None:
        if wanted > 0:
            into.add(text)

    def refuse(*_: object) -> None:
        raise Broken("it declares a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    return parser
