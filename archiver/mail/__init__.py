from archiver.mail.parts import PartSink
from archiver.mail.reader import PARSER_VERSION, read_header, read_mail
from archiver.mail.record import mail_json

__all__ = ["PARSER_VERSION", "PartSink", "mail_json", "read_header", "read_mail"]
