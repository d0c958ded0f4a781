from archiver.mail.nested import NESTING_LIMIT, Number, Numbered, part_of
from archiver.mail.parts import PartSink
from archiver.mail.plain import plain_text
from archiver.mail.reader import read_header, read_mail
from archiver.mail.record import mail_json
from archiver.mail.view import (
    ListedPart,
    ShownText,
    View,
    html_part,
    part_numbers,
    safe_html,
    view_mail,
)
from archiver.mail.within import words_within

__all__ = [
    "NESTING_LIMIT",
    "ListedPart",
    "Number",
    "Numbered",
    "PartSink",
    "ShownText",
    "View",
    "html_part",
    "mail_json",
    "part_numbers",
    "part_of",
    "plain_text",
    "read_header",
    "read_mail",
    "safe_html",
    "view_mail",
    "words_within",
]
