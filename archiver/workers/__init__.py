"""Worker processes: a batch goes in, records and events come out.

Parsing and S3 calls cost processor time in Python, so they run beside the main process, one task
at a time in each worker. A worker is started when there is first work for it and hears everything
through one pipe; it writes neither ledger nor index. One that dies (a fault in a parser's C code,
a machine out of memory) takes nothing with it but its task.

``tasks`` are the messages on the pipe, ``worker`` is a worker as the main process sees it,
``process`` the other end.
"""

from archiver.workers.claims import Claims
from archiver.workers.leases import Leases
from archiver.workers.tasks import (
    Archive,
    Archived,
    Hazards,
    KeepSnapshot,
    Prepare,
    ProveAgain,
    PutFile,
    PutManifest,
    Read,
    Relock,
    halves,
)
from archiver.workers.worker import Worker, WorkerBug, WorkerDied

__all__ = [
    "Archive",
    "Archived",
    "Claims",
    "Hazards",
    "KeepSnapshot",
    "Leases",
    "Prepare",
    "ProveAgain",
    "PutFile",
    "PutManifest",
    "Read",
    "Relock",
    "Worker",
    "WorkerBug",
    "WorkerDied",
    "halves",
]
