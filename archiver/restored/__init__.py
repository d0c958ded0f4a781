from archiver.restored.database import Counts, Found, Refused, Restored, Wanted

__all__ = ["Counts", "Found", "Refused", "Restored", "Wanted"]
