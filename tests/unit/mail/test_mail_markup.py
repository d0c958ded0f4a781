"""HTML into text, in bounds."""

import pytest
from lxml.etree import LxmlError

from archiver.mail import markup as markup_module
from archiver.mail.markup import html_text, stripped


def test_attributes_cannot_ask_for_space() -> None:
    """A style with huge margins adds nothing to the text."""
    assert html_text('<p style="margin-top:1000000em;padding-left:9999em">seen', set()) == "seen"


def test_documents_that_are_too_deep_are_stripped() -> None:
    """Depth beyond the limit costs the layout, not the text."""
    defects: set[str] = set()
    assert html_text("<i>" * 5000 + "seen &lt;", defects) == "seen <"
    assert defects == {"html-stripped"}


def test_documents_with_too_many_tags_are_stripped() -> None:
    """So do more tags than the limit."""
    defects: set[str] = set()
    assert html_text("<br>a" * 20_001, defects).count("a") == 20_001
    assert defects == {"html-stripped"}


def test_long_documents_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a document is cut, which is a defect."""
    monkeypatch.setattr(markup_module, "HTML_LIMIT", 6)
    defects: set[str] = set()
    assert html_text("<p>abcdef", defects) == "abc"
    assert defects == {"html-cut"}


@pytest.mark.parametrize("markup", ["", " ", "<!-- only -->", "<script>only</script>", "<", "</p>"])
def test_documents_without_text(markup: str) -> None:
    """A document that says nothing has hardly any text, and no defect."""
    defects: set[str] = set()
    assert html_text(markup, defects) in ("", "<")
    assert not defects


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a\0b<p>c", "a b\n\nc"),
        ('<?xml version="1.0" encoding="utf-16"?><p>ö', "ö"),
        ("<meta charset=koi8-r><p>ö", "ö"),
        ("a&nbsp;b &#8364; &bogus;", "a b € &bogus;"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("<pre>a\n  b</pre>", "a\n  b"),
    ],
)
def test_readable_text(markup: str, text: str) -> None:
    """What a person would read is the text, whatever the document says about its octets."""
    assert html_text(markup, set()).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a<b>b</b><p>c<br>d", "ab\nc\nd"),
        ("<style>x</style>a<script>y</script>b", "ab"),
        ("<script>never closed", ""),
        ("a<!-- never closed", "a"),
        ("a &amp; b &#65; &#" + "1" * 5000 + ";", "a & b A &#" + "1" * 5000 + ";"),
        ("a \r\n \t b", "a\nb"),
        ("1 < 2", "1 < 2"),
    ],
)
def test_stripping(markup: str, text: str) -> None:
    """Without its tags a document is still readable."""
    assert stripped(markup) == text


@pytest.mark.parametrize("failure", [RecursionError(), LxmlError("broken")])
def test_failures_of_the_layout_are_survived(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """When inscriptis or lxml fails, the tags are stripped."""
    from inscriptis import html_engine

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(html_engine, "Inscriptis", fail)
    defects: set[str] = set()
    assert html_text("<p>seen", defects) == "seen"
    assert defects == {"html-stripped"}
