from archiver.verbs.audit.archive import Opened, audit_archive, opened
from archiver.verbs.audit.audit import Audited, Tell, Wanted, audit
from archiver.verbs.audit.findings import Finding, Remark, Trouble, finding_json
from archiver.verbs.audit.manifests import Demands
from archiver.verbs.audit.sampling import Sample, parse_sample
from archiver.verbs.audit.stored import Watch

__all__ = [
    "Audited",
    "Demands",
    "Finding",
    "Opened",
    "Remark",
    "Sample",
    "Tell",
    "Trouble",
    "Wanted",
    "Watch",
    "audit",
    "audit_archive",
    "finding_json",
    "opened",
    "parse_sample",
]
