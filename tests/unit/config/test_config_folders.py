"""URLs of IMAP folders."""

import pytest

from archiver.config import FolderUrl, ServerUrl, parse_folder
from archiver.errors import UsageError


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("imaps://me@h.example/A", FolderUrl(ServerUrl("h.example", 993, "me", "tls"), ("A",))),
        (
            "IMAP://me@example.com@h:1143/A/{year}",
            FolderUrl(ServerUrl("h", 1143, "me@example.com", "stls"), ("A", "{year}")),
        ),
        (
            "imap+plain://a%40b%2Fc@[::1]/%C3%84lter%20als/x@y%2Fz/",
            FolderUrl(ServerUrl("::1", 143, "a@b/c", "plain"), ("Älter als", "x@y/z")),
        ),
    ],
)
def test_folders(text: str, folder: FolderUrl) -> None:
    """The folder is behind the first slash; the last @ before it parts user and host."""
    assert parse_folder(text) == folder


@pytest.mark.parametrize(
    "text",
    [
        *("imaps://me@h", "imaps://me@h/", "imaps://h/A", "imaps://me:secret@h/A", "A"),
        *("pop3s://me@h/A", "imaps://me@h/%FF", "imaps://me@h/a%00b", "imaps://me@h:x/A"),
    ],
)
def test_what_is_no_folder(text: str) -> None:
    """A URL without folder or user, with a password or with octets that are no text is refused."""
    with pytest.raises(UsageError) as refused:
        parse_folder(text)
    assert "secret" not in refused.value.message
