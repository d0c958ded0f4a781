from archiver.verbs.restore.folders import Pattern
from archiver.verbs.restore.planning import FolderPlan
from archiver.verbs.restore.restore import Restoring, Target, restoring

__all__ = ["FolderPlan", "Pattern", "Restoring", "Target", "restoring"]
