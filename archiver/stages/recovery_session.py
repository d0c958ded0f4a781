"""A session that fetches again what the store lost; it deletes nothing and ends without QUIT.

Where a server retires at QUIT what was retrieved, a QUIT would take away the very octets that are
being rescued; a dropped connection changes nothing anywhere (RFC 1939 section 6).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from archiver.errors import LocalDiskError, ServerRefused
from archiver.format import MessageHash
from archiver.ledger.moving import Offer
from archiver.model import Listed
from archiver.pop3 import Chunk, Finished, Refused, Session, Started
from archiver.stages.fetch_job import FetchJob
from archiver.stages.visit import visit


@dataclass(frozen=True, slots=True)
class _Wanted:
    """By what a message that is looked for may be known in a listing."""

    uidls: frozenset[str]
    sizes: frozenset[int]
    by_size: bool

    def may_be(self, listed: Listed) -> bool:
        if listed.uidl is not None and listed.uidl in self.uidls:
            return True
        return self.by_size and listed.size in self.sizes


def fetch_again(
    job: FetchJob,
    wanted: Mapping[str, Sequence[Offer]],
    file: Callable[[], Path],
    take: Callable[[str, Path, int], None],
) -> None:
    """Retrieves messages whose octets are wanted, as far as the server still lists them.

    Args:
        job: the account.
        wanted: for each digest how the server listed it.
        file: names a file that is not there yet.
        take: is given the digest, the file and the length of each that is found.

    Raises:
        LoginRefused: the server does not let us in.
        ServerUnavailable: it cannot be reached, or was lost; what was taken before is good.
        LocalDiskError: there is no room for them.
    """
    known = [offer for offers in wanted.values() for offer in offers]
    # Where UIDLs prove nothing, any message of the size may be one of them.
    by_size = job.listing.distrusted is not None or any(one.uidl is None for one in known)
    looked_for = _Wanted(
        frozenset(one.uidl for one in known if one.uidl is not None),
        frozenset(one.listed_size for one in known if one.listed_size is not None),
        by_size,
    )
    with visit(job) as session:
        candidates = list(_candidates(session, looked_for))
        _retrieve(job, session, candidates, set(wanted), file, take)


def _candidates(session: Session, wanted: _Wanted) -> Iterator[Listed]:
    session.ask_ahead()
    session.stat()
    uidls: dict[int, str] = {}
    with suppress(ServerRefused):
        # Lines without numbers count by their position.
        uidls |= {
            number or position: uidl
            for position, (number, uidl) in enumerate(session.uidls(), 1)
            if uidl in wanted.uidls
        }
    for number, size in session.sizes():
        listed = Listed(number, uidls.get(number), size)
        if wanted.may_be(listed):
            yield listed


def _retrieve(
    job: FetchJob,
    session: Session,
    candidates: Sequence[Listed],
    left: set[str],
    file: Callable[[], Path],
    take: Callable[[str, Path, int], None],
) -> None:
    path, hashed = file(), MessageHash()
    octets = 0
    try:
        for event in session.retrieve(candidates):
            match event:
                case Started():
                    path, hashed, octets = file(), MessageHash(), 0
                    path.touch()
                case Chunk(chunk):
                    hashed.update(chunk)
                    octets += len(chunk)
                    if octets > job.settings.max_message:
                        return
                    with path.open("ab") as out:
                        out.write(chunk)
                case Finished():
                    digest = hashed.result().digest
                    if digest in left:
                        left.remove(digest)
                        take(digest, path, octets)
                        path = file()
                    path.unlink(missing_ok=True)
                case Refused():
                    pass
    except OSError as error:
        raise LocalDiskError(
            f"cannot write {path}: {error.strerror}",
            hint="free space there, or let TMPDIR name another directory",
        ) from error
    finally:
        path.unlink(missing_ok=True)
