import inspect
import pickle

import pytest

from archiver import errors
from archiver.errors import ArchiverError, Scope, ServerRefused, worst

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, ArchiverError)
]
EXIT_CODES = {
    "UsageError": 2,
    "IndexDamaged": 2,
    "MessageError": 3,
    "LocalDiskError": 3,
    "LoginRefused": 4,
    "ServerUnavailable": 5,
    "SessionLost": 5,
    "ProtocolError": 5,
    "ServerRefused": 5,
    "StoreError": 6,
    "IntegrityError": 7,
    "KeyTaken": 7,
    "DeletionStopped": 3,
    "LedgerDamaged": 7,
    "UnknownFormat": 7,
    "AlreadyRunning": 8,
    "NothingMatched": 9,
    "Interrupted": 130,
    "ArchiverError": 1,
}


def test_exit_codes() -> None:
    """The exit codes are those that the README promises to scripts."""
    assert {kind.__name__: kind.exit_code for kind in CLASSES} == EXIT_CODES


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_travel(kind: type[ArchiverError]) -> None:
    """An error crosses between processes with its class, its message and its hint."""
    error = kind("what is wrong", hint="what to do")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (back.message, back.hint, str(back)) == ("what is wrong", "what to do", "what is wrong")
    assert isinstance(back.scope, Scope)


def test_response_code_travels() -> None:
    """A refusal keeps the server's response code."""
    back = pickle.loads(pickle.dumps(ServerRefused("no", hint="later", code="IN-USE")))
    assert (back.message, back.hint, back.code) == ("no", "later", "IN-USE")


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 3], 3),
        ([3, 8], 8),
        ([8, 4], 4),
        ([4, 5], 5),
        ([5, 6], 6),
        ([6, 1], 1),
        ([1, 7], 7),
        ([7, 130], 130),
        ([2, 7], 2),
        ([9], 9),
    ],
)
def test_worst(codes: list[int], code: int) -> None:
    """A run over several accounts ends with the most pressing of their codes."""
    assert worst(codes) == worst(codes[::-1]) == code
