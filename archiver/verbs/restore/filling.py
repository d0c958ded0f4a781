"""Filling one folder: looked into first, then batch after batch, each recorded before the next."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from archiver.errors import ArchiverError, Interrupted, SessionLost
from archiver.imap import Appended, ImapSession, Letter, Rejected
from archiver.restored import Found, Restored, Wanted
from archiver.stopping import Stop
from archiver.verbs.restore.likeness import Liking
from archiver.verbs.restore.planning import FolderPlan
from archiver.verbs.restore.reading import Message, Reader, Unreadable

_MESSAGES = 100
_OCTETS = 4 << 20
# After so many refusals in a row the rest is not carried to a server that has no room for it.
_FULL = 100
_PATIENCE = 3
# So many messages of up to so many octets are fetched in one go, to be compared.
_TOGETHER = 50
_SMALL = 64 << 10

_NO_ROOM = "OVERQUOTA"
_TOO_BIG = "TOOBIG"
_NUL = "it holds NUL, which this server does not take (no BINARY)"


@dataclass(frozen=True, slots=True)
class Manner:
    """How messages are put: with which flags, and whether ``again`` where they are gone."""

    flags: tuple[str, ...]
    again: bool = False


class Filling:
    """One folder's share of a restore, over as many sessions as it takes.

    ``damaged`` says whether octets of the archive could not be had, ``name`` what the folder is
    called at the server.

    Args:
        plan: the folder.
        manner: how messages are put.
        restored: what is wanted, and the record of what is there.
        reader: gives the octets.
        stop: asks the run to end.
        progress: hears how many messages are settled.
    """

    def __init__(
        self,
        plan: FolderPlan,
        manner: Manner,
        restored: Restored,
        reader: Reader,
        stop: Stop,
        progress: Callable[[int], None],
    ) -> None:
        self._plan = plan
        self._manner = manner
        self._restored = restored
        self._reader = reader
        self._stop = stop
        self._progress = progress
        self.name = plan.name
        self._taken_back = not manner.again
        self._alone = 0
        self._sending: Wanted | None = None
        self._losses: dict[int, int] = {}
        self._met: list[tuple[Wanted, int, int, None]] = []
        self._full = 0
        self.damaged = False

    def fill(self, session: ImapSession) -> None:
        """Puts everything that is still wanted.

        Raises:
            SessionLost: the connection broke; ``lost`` is to be called before another try.
            FolderRefused: the server does not give us the folder.
            StoreError: the store cannot be reached or refuses.
            Interrupted: the run was asked to end.
        """
        self.name = session.make(self._plan.name)
        validity = self._look(session)
        limit = session.largest(self.name)
        batch = _Batch(self, session)
        waiting = self._restored.waiting(self._plan.row)
        with ExitStack() as stack:
            stack.callback(self._note_met)
            stack.enter_context(closing(batch))
            messages = stack.enter_context(closing(self._reader.messages(waiting)))
            for message in messages:
                if isinstance(message, Unreadable):
                    self.damaged = True
                    self._refuse(message.wanted, "", message.error.message)
                else:
                    self._take(message, _Folder(session, validity, limit), batch)
                if self._full >= _FULL:
                    self._no_room()
                    return
            batch.send()

    def _take(self, message: Message, folder: "_Folder", batch: "_Batch") -> None:
        """Refuses a message, meets it in the folder, or puts it into the batch."""
        with ExitStack() as stack:
            stack.callback(message.close)
            if self._stop.asked():
                batch.send()
                raise Interrupted
            if reason := self._impossible(message, folder):
                self._refuse(message.wanted, *reason)
            elif not self._meet(message, folder):
                batch.make_room(message.wanted.size)
                # From here on the batch gives it back.
                stack.pop_all()
                batch.add(message)

    def _look(self, session: ImapSession) -> int:
        """Finds out what lies in the folder and is not recorded."""
        validity, uids = session.look(self.name)
        unknown = self._restored.look(self._plan.row, validity, uids)
        if not self._taken_back:
            self._restored.take_back(self._plan.row, validity)
            unknown = self._restored.look(self._plan.row, validity, uids)
            self._taken_back = True
        self._restored.describe(
            (one.uid, one.size, one.message_id) for one in session.seen(unknown)
        )
        return validity

    def _meet(self, message: Message, folder: "_Folder") -> bool:
        """Whether a message lies in the folder already, unrecorded; then it is recorded."""
        for found in self._candidates(message):
            if found.likeness is None:
                self._read(found, folder)
        for found in self._candidates(message):
            if found.likeness == message.like.digest:
                self._restored.claim(found.uid)
                self._met.append((message.wanted, folder.validity, found.uid, None))
                if len(self._met) >= _MESSAGES:
                    self._note_met()
                return True
        return False

    def _note_met(self) -> None:
        """Records what was met; should that come to nothing, it is met again."""
        if self._met:
            self._restored.note(self._plan.row, "found", self._met)
            self._progress(len(self._met))
            self._met = []

    def _candidates(self, message: Message) -> list[Found]:
        return [
            found
            for found in self._restored.alike(message.like.sizes)
            if _may_be(message.hit.message_id, found.message_id)
        ]

    def _read(self, found: Found, folder: "_Folder") -> None:
        """Finds out what a message of the folder is like, and those behind it: they are next."""
        if found.size > _SMALL:
            likings = {found.uid: _liking(folder.session.octets(found.uid))}
        else:
            uids = self._restored.unread(found.uid, _SMALL, _TOGETHER)
            likings = {uid: _liking([octets]) for uid, octets in folder.session.whole(uids).items()}
        for uid, like in likings.items():
            self._restored.read(self._plan.row, folder.validity, uid, like)

    def _impossible(self, message: Message, folder: "_Folder") -> tuple[str, str] | None:
        """Why a message need not be sent at all, as code and words."""
        if message.like.binary and not folder.session.binary:
            return "", _NUL
        limit = folder.limit
        if limit is not None and message.wanted.size > limit:
            return _TOO_BIG, f"it has more octets than the {limit} that this server takes"
        if self._losses.get(message.wanted.row, 0) >= _PATIENCE:
            return "", f"the connection was lost {_PATIENCE} times while it was sent alone"
        return None

    def put(self, session: ImapSession, messages: Sequence[Message]) -> None:
        """Appends a batch and records what became of it."""
        self._sending = messages[0].wanted if len(messages) == 1 else None
        outcomes = session.append(
            self.name,
            [_letter(one) for one in messages],
            self._manner.flags,
            alone=self._alone > 0,
        )
        self._sending = None
        self._alone = max(0, self._alone - 1)
        settled = [
            (one.wanted, said.validity, said.uid, None if said.uid else one.like.digest)
            for one, said in zip(messages, outcomes, strict=True)
            if isinstance(said, Appended)
        ]
        self._restored.note(self._plan.row, "appended", settled)
        self._progress(len(settled))
        for one, said in zip(messages, outcomes, strict=True):
            if isinstance(said, Rejected):
                if said.code == "TRYCREATE":
                    # Somebody removed it meanwhile; another session makes it again.
                    raise SessionLost(f"the folder {self.name} is gone")
                self._full = self._full + 1 if said.code == _NO_ROOM else 0
                self._refuse(one.wanted, said.code, said.words)
            else:
                self._full = 0

    @property
    def most(self) -> int:
        """How many messages a batch may have."""
        return 1 if self._alone else _MESSAGES

    def lost(self) -> None:
        """A session was lost: the next messages go alone, to find the one it was lost at."""
        if self._alone and self._sending is not None:
            row = self._sending.row
            self._losses[row] = self._losses.get(row, 0) + 1
        self._alone = _MESSAGES
        self._sending = None

    def give_up(self, error: ArchiverError) -> None:
        """Nothing more can be put into this folder."""
        self._restored.refuse_rest(self._plan.row, "", error.message)

    def _no_room(self) -> None:
        self._restored.refuse_rest(
            self._plan.row,
            _NO_ROOM,
            f"not tried, since the {_FULL} messages before it found no room",
        )

    def _refuse(self, wanted: Wanted, code: str, reason: str) -> None:
        self._restored.refuse(wanted, code, reason)
        self._progress(1)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder as this session has it: its UIDVALIDITY, and how large a message may be."""

    session: ImapSession
    validity: int
    limit: int | None


class _Batch:
    """Messages that go together; it closes each once its fate is recorded."""

    def __init__(self, filling: Filling, session: ImapSession) -> None:
        self._filling = filling
        self._session = session
        self._messages: list[Message] = []
        self._octets = 0

    def make_room(self, size: int) -> None:
        """Sends what is there where so many octets more would be too much."""
        if self._octets + size > _OCTETS:
            self.send()

    def add(self, message: Message) -> None:
        """One more."""
        self._messages.append(message)
        self._octets += message.wanted.size
        if len(self._messages) >= self._filling.most:
            self.send()

    def send(self) -> None:
        """Sends what is there."""
        if self._messages:
            try:
                self._filling.put(self._session, self._messages)
            finally:
                self.close()

    def close(self) -> None:
        """Gives back what was not sent."""
        for message in self._messages:
            message.close()
        self._messages = []
        self._octets = 0


def _letter(message: Message) -> Letter:
    return Letter(
        octets=message.octets,
        size=message.wanted.size,
        date=message.date,
        binary=message.like.binary,
    )


def _liking(pieces: Iterable[bytes]) -> bytes:
    liking = Liking()
    for piece in pieces:
        liking.take(piece)
    return liking.result().digest


def _may_be(message_id: str | None, field: bytes) -> bool:
    """Whether a server's field Message-ID speaks against this being the message."""
    if message_id is None or not message_id.isascii() or " " in message_id:
        return True
    return not field.strip() or message_id.encode() in b"".join(field.split())
