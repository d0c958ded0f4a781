"""Files as people attach them, and as nobody should, written by hand."""

import io
import zipfile
from collections.abc import Mapping

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_X = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A zip."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return octets.getvalue()


def docx(text: str, prologue: str = "") -> bytes:
    """A document of Word: one paragraph whose last letter is set in another style."""
    runs = f"<w:r><w:t>{text[:-1]}</w:t></w:r><w:r><w:t>{text[-1:]}</w:t></w:r>"
    body = f"<w:body><w:p>{runs}</w:p><w:p/></w:body>"
    return zipped({"word/document.xml": f"{prologue}<w:document {_W}>{body}</w:document>"})


def xlsx(shared: str, number: int, rows: int = 1) -> bytes:
    """A workbook of Excel: a shared string and a number in each row."""
    row = f'<row><c t="s"><v>0</v></c><c><v>{number}</v></c></row>'
    return zipped(
        {
            "xl/sharedStrings.xml": f"<sst {_X}><si><t>{shared}</t></si></sst>",
            "xl/worksheets/sheet1.xml": f"<worksheet {_X}>{row * rows}</worksheet>",
        }
    )


def pptx(text: str) -> bytes:
    """A presentation of one slide."""
    slide = f"<sld {_A}><a:p><a:r><a:t>{text}</a:t></a:r></a:p></sld>"
    return zipped({"ppt/slides/slide1.xml": slide})


def odt(text: str) -> bytes:
    """A document of LibreOffice, with a style that is not its text."""
    content = (
        '<o:document-content xmlns:o="o" xmlns:t="t"><o:styles>style</o:styles>'
        f"<o:body><o:text><t:p>{text}</t:p></o:text></o:body></o:document-content>"
    )
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def rtf(text: str) -> bytes:
    """A rich text file."""
    return rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 " + text.encode() + rb"\par}"


def pdf(text: str, pages: int = 1) -> bytes:
    """A PDF with this text on each page, by the letters of Helvetica."""
    content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    kids = b" ".join(b"%d 0 R" % (5 + number) for number in range(pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]"
    page += b"/Resources<</Font<</F1 3 0 R>>>>/Contents 4 0 R>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, pages),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        *[page] * pages,
    ]
    written, places = bytearray(b"%PDF-1.4\n"), []
    for number, one in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj%s endobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    written += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, start)
    return bytes(written)


def expanding(depth: int = 12) -> bytes:
    """A document whose entities would be a billion letters, were they ever read."""
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(depth))
    declared = f'<!DOCTYPE x [<!ENTITY e0 "walrus">{entities}]>'
    return docx(f"&e{depth};x", declared)


def fetching() -> bytes:
    """A document that names a file of this machine as an entity."""
    return docx("&e;x", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>')


def inflating(megabytes: int = 300) -> bytes:
    """A document that is a thousand times as large as its file."""
    spaces = b" " * (megabytes << 20)
    return zipped({"word/document.xml": b"<document><p>" + spaces + b"</p></document>"})
