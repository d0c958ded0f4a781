from archiver.pop3.capabilities import Capabilities
from archiver.pop3.events import Chunk, Event, Finished, Refused, Started
from archiver.pop3.server import Limits, Pipelining, Security, Server
from archiver.pop3.session import Session

__all__ = [
    "Capabilities",
    "Chunk",
    "Event",
    "Finished",
    "Limits",
    "Pipelining",
    "Refused",
    "Security",
    "Server",
    "Session",
    "Started",
]
