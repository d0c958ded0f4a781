"""A POP3 server in this process that misbehaves exactly as told, and writes down what it heard.

The mailbox outlives its sessions, as a real one does: what a session deletes is gone after QUIT
and only then. Every fault is one field of ``Faults``; a server without faults is a good one.
"""

from infra.faulty_pop3.faults import Faults, Message
from infra.faulty_pop3.server import FaultyPop3

__all__ = ["Faults", "FaultyPop3", "Message"]
