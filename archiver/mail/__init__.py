from archiver.mail.parts import PartSink
from archiver.mail.reader import read_header, read_mail
from archiver.mail.record import mail_json

__all__ = ["PartSink", "mail_json", "read_header", "read_mail"]
