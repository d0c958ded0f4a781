"""Text of rich text files; the door to striprtf."""

from typing import BinaryIO

from archiver.extract.gathering import Broken, Gathered


def read_rtf(file: BinaryIO, into: Gathered) -> None:
    """Gathers the text of an RTF file.

    Raises:
        Broken: it is none.
        Enough: there is more than is wanted.
    """
    from striprtf.striprtf import rtf_to_text

    octets = file.read()
    if not octets.lstrip().startswith(b"{\\rtf"):
        raise Broken("no RTF")
    try:
        # RTF is ASCII; other octets that programs write all the same mean what windows-1252 says.
        text: str = rtf_to_text(octets.decode("cp1252", "replace"), errors="ignore")  # type: ignore[no-untyped-call]
    except (LookupError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        raise Broken("no RTF that can be read") from error
    into.add(text)
