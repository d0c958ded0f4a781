from archiver.extract.extractor import Extracted, Extractor
from archiver.extract.kinds import ATTACHMENT_LIMIT, TEXT_LIMIT, Kind, Why, kind_of, readers

__all__ = [
    "ATTACHMENT_LIMIT",
    "TEXT_LIMIT",
    "Extracted",
    "Extractor",
    "Kind",
    "Why",
    "kind_of",
    "readers",
]
