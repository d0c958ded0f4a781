"""HTML of a message for a browser that may load nothing and run nothing of it.

The browser itself is told so, by a Content Security Policy (https://www.w3.org/TR/CSP3/) that
stands before the first word of the sender's: no script, no frame, no form, and no picture, style
or font that is not in the document itself. What a policy does not reach, elements that lead
elsewhere or connect ahead, is no such element any more: ``<meta`` becomes ``<x-meta``, wherever it
stands, and no other can come of that.
"""

import re

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'"
)
_HEAD = (
    '<!DOCTYPE html><meta charset="utf-8">'
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    '<meta name="referrer" content="no-referrer">\n'
)
_LEADS_ELSEWHERE = re.compile("<(?=meta|link|base|portal)", re.IGNORECASE)


def confined(markup: str) -> str:
    """The document under a policy that lets it load and run nothing.

    Args:
        markup: as its sender wrote it, decoded; what comes out is to be written as UTF-8.
    """
    return _HEAD + _LEADS_ELSEWHERE.sub("<x-", markup)
