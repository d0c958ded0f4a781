from archiver.verbs.export.exporting import THREADS, Exported, Failed, export
from archiver.verbs.export.formats import FORMATS, Format, format_of, open_target

__all__ = [
    "FORMATS",
    "THREADS",
    "Exported",
    "Failed",
    "Format",
    "export",
    "format_of",
    "open_target",
]
