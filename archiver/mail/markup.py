"""HTML into the text that a person would read, in bounded time and memory.

inscriptis lays text out over lxml's tree. Three things are kept from both: attributes, since
libxml2 compares each with all others of its tag and inscriptis obeys styles such as a margin of a
million lines; tables and lists, whose layout pads every row to the widest; and depth, since
libxml2 stops at 256 and inscriptis recurses. So each tag loses its attributes first, and those of
tables and lists become ``div``. What is too deep, has too many tags or fails is stripped of its
tags by a pattern instead.
"""

import html
import re

HTML_LIMIT = 1024 * 1024
DEPTH_LIMIT = 200
TAG_LIMIT = 20_000

# Only single characters are repeated possessively: Python 3.11.2 repeats groups so wrongly.
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*+)[^<>]*+>")
COMMENT = re.compile(r"<!--(?:(?!-->).)*(?:-->)?|<[!?][^<>]*+>?", re.DOTALL)
HIDDEN = re.compile(
    r"<(script|style|title)\b[^<>]*+>[^<]*(?:<(?!/\1\b)[^<]*)*", re.IGNORECASE | re.DOTALL
)
_LAID_OUT = frozenset(("caption", "dd", "dl", "dt", "li", "ol", "table", "tbody")).union(
    ("td", "tfoot", "th", "thead", "tr", "ul")
)
_BLOCK = _LAID_OUT.union(
    ("address", "article", "aside", "blockquote", "br", "center", "div", "footer", "form"),
    ("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "nav", "p", "pre", "section"),
)
LONG_NUMBER = re.compile(r"&#(?=[0-9]{8}|[xX][0-9A-Fa-f]{8})")
_SPACES = re.compile(r"[^\S\n]++")
_LINES = re.compile(r" ?(?:\n ?)+")


def html_text(markup: str, defects: set[str]) -> str:
    """The readable text of an HTML document, scripts and styles left out.

    Args:
        markup: the document; beyond 1 Mi characters it is cut.
        defects: takes ``html-cut``, and ``html-stripped`` where the document could not be laid
            out and only lost its tags.
    """
    if len(markup) > HTML_LIMIT:
        defects.add("html-cut")
        markup = markup[:HTML_LIMIT]
    markup = markup.replace("\0", " ")
    plain, tags = _TAG.subn(_plain_tag, COMMENT.sub("", markup))
    if tags <= TAG_LIMIT:
        text = _laid_out(plain)
        if text is not None:
            return text
    defects.add("html-stripped")
    return stripped(markup)


def _plain_tag(match: re.Match[str]) -> str:
    name = match[2].lower()
    return f"<{match[1]}{'div' if name in _LAID_OUT else name}>"


def _laid_out(markup: str) -> str | None:
    """What inscriptis makes of a document without attributes, None where it must not or fails."""
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig
    from lxml import etree

    try:
        parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
        tree = etree.fromstring(markup.encode("utf-8", "replace"), parser)
        if tree is None:
            return ""
        if _too_deep(tree):
            return None
        text = Inscriptis(tree, ParserConfig(css=dict(STRICT_CSS_PROFILE))).get_text()
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return None
    except etree.LxmlError:
        return None
    return str(text).strip()


def _too_deep(tree: object) -> bool:
    from lxml import etree

    depth = 0
    for event, _ in etree.iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEPTH_LIMIT:
            return True
    return False


def stripped(markup: str) -> str:
    """A document without its tags, in linear time, for what cannot be laid out."""
    text = HIDDEN.sub("", COMMENT.sub("", markup))
    text = _TAG.sub(_break, text)
    text = html.unescape(LONG_NUMBER.sub("&amp;#", text))
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def _break(match: re.Match[str]) -> str:
    return "\n" if match[2].lower() in _BLOCK else ""
