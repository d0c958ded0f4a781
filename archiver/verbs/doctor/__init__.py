from archiver.verbs.doctor.examine import examine
from archiver.verbs.doctor.findings import Examination, Finding, Mark

__all__ = ["Examination", "Finding", "Mark", "examine"]
