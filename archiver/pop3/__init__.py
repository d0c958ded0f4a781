from archiver.pop3.capabilities import Capabilities, retires
from archiver.pop3.credentials import AccessToken, Credentials
from archiver.pop3.events import Chunk, Event, Finished, Refused, Started
from archiver.pop3.server import Limits, Pipelining, Proxy, Security, Server
from archiver.pop3.session import Session
from archiver.pop3.transcript import Transcript

__all__ = [
    "AccessToken",
    "Capabilities",
    "Chunk",
    "Credentials",
    "Event",
    "Finished",
    "Limits",
    "Pipelining",
    "Proxy",
    "Refused",
    "Security",
    "Server",
    "Session",
    "Started",
    "Transcript",
    "retires",
]
