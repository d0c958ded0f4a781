"""Words that stand in attachments alone, from the mailbox to the search."""

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from attached_files import docx, expanding, odt, pdf, pptx, rtf, xlsx, zipped
from command import Archiver, source

from infra.fixtures import Mailbox

FILES = {
    "report.pdf": pdf("walruspdf"),
    "letter.docx": docx("walrusdocx"),
    "sheet.xlsx": xlsx("walrusxlsx", 1),
    "slides.pptx": pptx("walruspptx"),
    "text.odt": odt("walrusodt"),
    "note.rtf": rtf("walrusrtf"),
    "all.zip": zipped({"walruszip.txt": "notthis"}),
    "plain.txt": b"walrustxt",
    "bomb.docx": expanding(),
}
FOUND = ("pdf", "docx", "xlsx", "pptx", "odt", "rtf", "txt")


def letter(subject: str, name: str, octets: bytes) -> EmailMessage:
    """A message with one attachment."""
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["From"], message["Subject"] = "ann@example.com", subject
    message.set_content("see the file")
    message.add_attachment(octets, "application", "octet-stream", filename=name)
    return message


def forwarded(inner: EmailMessage) -> EmailMessage:
    """A message that carries another one."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"] = "ann@example.com", "forwarded"
    message.set_content("see the message")
    message.add_attachment(inner)
    return message


@pytest.fixture
def searching(mailbox: Mailbox, archiver: Archiver) -> Archiver:
    """The command, when the mailbox was archived in one run that said what it could not read."""
    messages = [letter(f"about {name}", name, octets) for name, octets in FILES.items()]
    messages.append(forwarded(forwarded(letter("walrusinner", "walrusname.bin", b"x"))))
    mailbox.add([each.as_bytes().replace(b"\r\n", b"\n") for each in messages])
    done = archiver("run", *source(mailbox, "pop3s"), "--store", "archive", "--state", "s")
    assert done.stderr.count("the text of 1 attachments was not read: they are encrypted") == 1
    return archiver


def test_attachments_are_searched(searching: Archiver) -> None:
    """Each kind of attachment is found by its words, and what breaks its reader by all else."""

    def subjects(*words: str, code: int = 0) -> list[str]:
        done = searching("search", *words, "--state", "s", "--json", code=code)
        return sorted(each["subject"] for each in done.records)

    for kind in FOUND:
        (name,) = (name for name in FILES if name.endswith(kind) and name != "bomb.docx")
        for term in (f"walrus{kind}", f"attachment:walrus{kind}", f"body:walrus{kind}"):
            assert subjects(term) == [f"about {name}"]
        assert subjects(f"subject:walrus{kind}", code=9) == []
    assert subjects("attachment:walruszip") == ["about all.zip"]
    assert subjects("attachment:notthis", code=9) == []
    assert subjects("attachment:walrusinner") == subjects("attachment:walrusname") == ["forwarded"]
    assert subjects("subject:bomb") == ["about bomb.docx"]
