"""The ledger: what happened to each listed message, and where each copy lies.

``database`` opens it and owns transactions, with ``presence`` and ``check`` (whether it is whole),
``failures`` (what its file may suffer) and ``copying``; every other module is one concern of it, as
functions over an open ``Ledger``: ``listing`` (what a session lists against what is known),
``seen`` (what became of it over a run), ``leaving`` (what is listed no more), ``linking`` (one
message under several UIDLs), ``landing`` (batches that became durable), ``returning`` (those that
were lost), ``copies`` (what is in the store), ``manifests`` (the chain that makes messages
ARCHIVED), ``events`` (what it has still to tell), ``replay`` (a ledger made again from what
manifests say), ``holding`` (what waits for a person), ``versions`` (all that stands under one
UIDL), ``backlog`` (what else waits), ``pruning``, ``portions``, ``accounts`` and ``status``.
"""

from archiver.ledger.database import Ledger

__all__ = ["Ledger"]
