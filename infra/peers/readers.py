"""The readers that are compared: ours, mail-parser, Python's email, and notmuch (GMime)."""

import email
import email.policy
import email.utils
import io
import json
import logging
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage, MIMEPart
from pathlib import Path
from typing import Any

from archiver.format import MessageHash
from archiver.mail import read_mail
from archiver.model import Address
from infra.peers.facts import Facts, line, mailboxes, names

Reader = Callable[[bytes], Facts]

_LISTS = ("from", "to", "cc")


class Unreadable(Exception):
    """A peer gave a message up."""


def ours(octets: bytes) -> Facts:
    """What the archive's index knows."""
    fingerprint = MessageHash()
    fingerprint.update(octets)
    found = fingerprint.result()
    mail = read_mail(
        io.BytesIO(octets),
        digest=found.digest,
        header_digest=found.header_digest,
        size=found.size,
        now=time.time(),
    )
    return Facts(
        {
            "subject": line(mail.subject),
            "from": mailboxes(mail.authors),
            "to": mailboxes(mail.to),
            "cc": mailboxes(mail.cc),
            "date": mail.date,
            "attachments": names([part.name or "" for part in mail.parts]),
        }
    )


def python_email(octets: bytes) -> Facts:
    """Python's ``email`` with its default policy."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return _unless_it_fails(lambda: _of_python(message))


def _of_python(message: EmailMessage) -> Facts:
    date = message["date"]
    return Facts(
        {
            "subject": line(message["subject"]),
            **{name: _python_mailboxes(message, name) for name in _LISTS},
            "date": int(date.datetime.timestamp()) if date and date.datetime else None,
            "attachments": names([part.get_filename() or "" for part in _leaves(message)]),
        }
    )


def _python_mailboxes(message: EmailMessage, name: str) -> tuple[str, ...]:
    found = [one for field in message.get_all(name, []) for one in field.addresses]
    return mailboxes(
        tuple(Address(one.display_name, one.addr_spec.removesuffix("@")) for one in found)
    )


def _leaves(message: MIMEPart) -> Iterator[MIMEPart]:
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.iter_parts():
            yield from _leaves(part)
    else:
        yield message


def mail_parser(octets: bytes) -> Facts:
    """mail-parser, given the whole message."""
    import mailparser

    logging.getLogger("mailparser").setLevel(logging.CRITICAL + 1)
    return _unless_it_fails(lambda: _of_mail_parser(mailparser.parse_from_bytes(octets)))


def _of_mail_parser(parsed: Any) -> Facts:
    return Facts(
        {
            "subject": line(parsed.subject),
            "from": mailboxes(tuple(Address(*one) for one in parsed.from_)),
            "to": mailboxes(tuple(Address(*one) for one in parsed.to)),
            "cc": mailboxes(tuple(Address(*one) for one in parsed.cc)),
            "date": int(parsed.date.replace(tzinfo=None).timestamp()) if parsed.date else None,
            "attachments": names([one["filename"] for one in parsed.attachments]),
        }
    )


def _unless_it_fails(read: Callable[[], Facts]) -> Facts:
    try:
        return read()
    except Exception as failure:
        raise Unreadable(f"{type(failure).__name__}: {failure}") from failure


def notmuch(mails: Mapping[str, bytes], directory: Path) -> dict[str, Facts]:
    """What notmuch, and so GMime, read of these messages; nothing where it is not installed.

    Args:
        mails: messages by name.
        directory: empty; is written to.
    """
    if shutil.which("notmuch") is None:
        return {}
    box = directory / "mail"
    box.mkdir()
    called = {}
    for number, (name, octets) in enumerate(mails.items()):
        path = box / f"{number}.eml"
        path.write_bytes(octets)
        called[str(path)] = name
    config = directory / "config"
    config.write_text(f"[database]\npath={box}\n[user]\nname=a\nprimary_email=a@example.com\n")
    ask = ("notmuch", f"--config={config}")
    subprocess.run([*ask, "new", "--quiet"], check=True, capture_output=True)
    shown = subprocess.run(
        [*ask, "show", "--format=json", "--entire-thread=false", "*"],
        check=True,
        capture_output=True,
    )
    return {
        called[message["filename"][0]]: _of_notmuch(message)
        for message in _messages(json.loads(shown.stdout))
    }


def _messages(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    elif isinstance(tree, list):
        for one in tree:
            yield from _messages(one)


def _of_notmuch(message: dict[str, Any]) -> Facts:
    headers = message["headers"]
    return Facts(
        {
            "subject": line(headers.get("Subject")),
            **{name: _notmuch_mailboxes(headers.get(name.capitalize(), "")) for name in _LISTS},
            "date": message["timestamp"] or None,
            "attachments": names(list(_file_names(message["body"]))),
        }
    )


def _notmuch_mailboxes(field: str) -> tuple[str, ...]:
    return mailboxes(tuple(Address(*one) for one in email.utils.getaddresses([field])))


def _file_names(parts: list[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        if filename := part.get("filename"):
            yield filename
        content = part.get("content")
        if part["content-type"].startswith("multipart/") and isinstance(content, list):
            yield from _file_names(content)
