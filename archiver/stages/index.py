"""Index: messages that were archived without being read, read now, in a worker process.

The raw octets come from the spool while they are still there, else from the store, and are hashed
on the way: an index must not be made from anything but what was archived.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from archiver.errors import IntegrityError
from archiver.extract import Extractor
from archiver.index import Entry, Location, prepare
from archiver.mail import read_mail
from archiver.model import UnreadMessage
from archiver.stages.attached import AttachedText
from archiver.store import Store, payload_of_slice

_IN_MEMORY = 1 << 20


def read_unread(
    unread: UnreadMessage, spool: Path, store: Store, extractor: Extractor
) -> tuple[Entry, Location]:
    """Reads a message with the text in its attachments and makes its entry ready.

    Args:
        unread: the message.
        spool: the spool's directory.
        store: where it lies once it has left the spool.
        extractor: reads attachments that are not simply text.

    Raises:
        StoreError: the store cannot be reached or has no such object.
        IntegrityError: what the store holds is not the message.
    """
    with (
        _stream(unread, spool, store) as stream,
        closing(AttachedText(spool, extractor)) as attached,
    ):
        mail = read_mail(
            stream,
            digest=unread.digest,
            header_digest=unread.header_digest,
            size=unread.length,
            sink=attached,
            now=unread.fetched_at,
        )
    entry = prepare(mail, attached.texts, attached.unread)
    return entry, Location(unread.account, unread.key, 0, unread.length)


@contextmanager
def _stream(unread: UnreadMessage, spool: Path, store: Store) -> Iterator[BinaryIO]:
    if unread.segment and (path := spool / unread.segment).exists():
        with payload_of_slice(path, unread.offset, unread.length, unread.digest).open() as stream:
            yield stream
        return
    with SpooledTemporaryFile(_IN_MEMORY, dir=str(spool)) as octets:
        hashed = hashlib.sha256()
        for chunk in store.read(unread.key):
            hashed.update(chunk)
            octets.write(chunk)
        if hashed.hexdigest() != unread.digest:
            raise IntegrityError(
                f"{store.url}/{unread.key} is not the message that was archived",
                hint="keep the local state, and look into the bucket's history of this object",
            )
        yield cast(BinaryIO, octets)
