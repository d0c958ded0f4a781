import pytest

from archiver.extract import Kind, kind_of


@pytest.mark.parametrize(
    ("media_type", "name", "kind"),
    [
        ("application/pdf", None, Kind.PDF),
        ("application/octet-stream", "Report.PDF", Kind.PDF),
        ("application/octet-stream", "photo.jpg", None),
        ("application/octet-stream", None, None),
        ("application/zip", "minutes.docx", Kind.OFFICE),
        ("application/zip", "all.zip", Kind.ZIP),
        ("application/zip", None, Kind.ZIP),
        ("text/x-diff", "a.patch", Kind.TEXT),
        ("text/rtf", "a.txt", Kind.RTF),
        ("text/html", None, Kind.HTML),
        ("message/rfc822", None, Kind.MESSAGE),
        ("image/png", "not-a.pdf", None),
        ("application/x-unknown", "a.odt", Kind.OFFICE),
    ],
)
def test_kinds(media_type: str, name: str | None, kind: Kind | None) -> None:
    """A type says how an attachment is read, and a file name where the type says little."""
    assert kind_of(media_type, name) == kind
