"""Links of an HTML document: numbered where they stand, so that its text can do without tags.

Only what a person could follow is a link: web, mail, telephone. Nothing is fetched, here or later.
"""

import html
import re

from archiver.mail.markup import COMMENT, HIDDEN, HTML_LIMIT, LONG_NUMBER, html_text
from archiver.mail.words import one_line

LINK_LIMIT = 1000
_URL_LIMIT = 2000

_ANCHOR = re.compile(r"<(/?)a(?=[\s/>])([^<>]*+)>", re.IGNORECASE)
_HREF = re.compile(r"""\shref\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE)
_FOLLOWED = re.compile(r"(?:https?|ftp|mailto|tel):\S", re.IGNORECASE)


def html_text_and_links(markup: str, defects: set[str]) -> tuple[str, tuple[str, ...]]:
    """The readable text of an HTML document with ``[1]`` behind each link, and where they lead.

    Args:
        markup: the document; beyond 1 Mi characters it is cut.
        defects: as for ``markup.html_text``, and ``too-many-links`` beyond 1,000 different ones,
            which are not told then.
    """
    if len(markup) > HTML_LIMIT:
        defects.add("html-cut")
        markup = markup[:HTML_LIMIT]
    numbering = _Numbering(defects)
    # What is no text must not be numbered either.
    visible = HIDDEN.sub("", COMMENT.sub("", markup))
    text = html_text(_ANCHOR.sub(numbering.anchor, visible), defects)
    return text, tuple(numbering.links)


class _Numbering:
    """Gives each link a number, the same one where it is met again."""

    def __init__(self, defects: set[str]) -> None:
        self.links: dict[str, int] = {}
        self._defects = defects
        self._open: int | None = None

    def anchor(self, tag: re.Match[str]) -> str:
        mark, self._open = self._mark(), None
        if not tag[1]:
            self._open = self._number(tag[2])
        return f"{mark}{tag[0]}"

    def _mark(self) -> str:
        return "" if self._open is None else f" [{self._open}]"

    def _number(self, attributes: str) -> int | None:
        found = _HREF.search(attributes)
        if found is None:
            return None
        said = found[1] or found[2] or found[3] or ""
        if len(said) > _URL_LIMIT:
            said = f"{said[:_URL_LIMIT]}…"
        url = one_line(html.unescape(LONG_NUMBER.sub("&amp;#", said)))
        if not _FOLLOWED.match(url):
            return None
        if url not in self.links and len(self.links) >= LINK_LIMIT:
            self._defects.add("too-many-links")
            return None
        return self.links.setdefault(url, len(self.links) + 1)
