"""``rebuild``: the ledger from the manifests in a store, and nothing else.

``making`` is all of it: ``replaying`` reads an account's chains (``chains.py``) into a ledger
(``ledger/replay.py``), from its newest ``checkpoint`` on; ``installing`` puts that ledger into its
place.
"""

from archiver.verbs.rebuild.installing import Aside
from archiver.verbs.rebuild.making import Rebuilt, Wanted, rebuild
from archiver.verbs.rebuild.replaying import AccountRebuilt

__all__ = ["AccountRebuilt", "Aside", "Rebuilt", "Wanted", "rebuild"]
