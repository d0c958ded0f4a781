"""Text of PDF files, by PDFium; the door to pypdfium2."""

from typing import BinaryIO, Final

from archiver.extract.gathering import Broken, Gathered

PAGE_LIMIT: Final = 2000
"""Pages that are read; a limit in pages gives the same text on each machine, as time would not."""


def read_pdf(file: BinaryIO, into: Gathered) -> None:
    """Gathers the text of a PDF's first pages.

    Raises:
        Broken: it is no PDF, or an encrypted one.
        Enough: there is more than is wanted.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(file)
        try:
            for number in range(min(len(document), PAGE_LIMIT)):
                page = document[number]
                try:
                    text = page.get_textpage()
                    try:
                        # PDFium writes U+FFFE where a word was hyphenated at the end of its line.
                        said = text.get_text_bounded(errors="ignore").replace("\ufffe", "")
                    finally:
                        text.close()
                finally:
                    page.close()
                into.add(said)
                into.add("\n")
        finally:
            document.close()
    except pypdfium2.PdfiumError as error:
        raise Broken("no PDF that can be read") from error
