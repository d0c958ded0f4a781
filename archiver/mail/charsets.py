"""Octets into text, whatever their label says, without losing one silently.

A label is looked up in a list of text encodings made from Python's aliases: codecs that are not
character sets (``zlib``, ``idna``, which is quadratic, ``unicode_escape``) are out of reach of a
sender, and so is the growth of Python's cache of names it failed to find. ISO 8859-1 is read as
windows-1252 and GB 2312 as GB 18030, since that is what such labels mean in real mail. Text that
its label cannot explain is UTF-8 if it is valid UTF-8, else windows-1252, where each octet means
something.
"""

import codecs
from encodings.aliases import aliases

_NOT_CHARSETS = frozenset(
    {
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "quopri_codec",
        "raw_unicode_escape",
        "rot_13",
        "tactis",
        "undefined",
        "unicode_escape",
        "uu_codec",
        "zlib_codec",
    }
)
_WIDER = {
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
}
_EXTRA = {
    "cp_850": "cp850",
    "gb_2312": "gb18030",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "ks_c_5601": "cp949",
    "windows_874": "cp874",
    "x_euc_jp": "euc_jp",
    "x_gbk": "gb18030",
    "x_sjis": "cp932",
    "x_utf_8": "utf_8",
}
_LATIN_1 = frozenset({"latin_1", "cp1252"})


def _known() -> dict[str, str]:
    names = {name: name for name in aliases.values()} | aliases
    known = {alias: _WIDER.get(name, name) for alias, name in names.items()}
    return {a: n for a, n in known.items() if n not in _NOT_CHARSETS} | _EXTRA


_CODECS = _known()


def _windows_1252() -> str:
    # Five octets are undefined; as in the WHATWG encoding standard they stay control characters.
    return "".join(bytes([o]).decode("cp1252", "ignore") or chr(o) for o in range(256))


_WINDOWS_1252 = _windows_1252()


def windows_1252(octets: bytes) -> str:
    """Reads octets as windows-1252, in which every octet means something."""
    return codecs.charmap_decode(octets, "strict", _WINDOWS_1252)[0]


def unlabelled(octets: bytes) -> str:
    """Reads octets of which nobody said what they are: UTF-8, else windows-1252."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return windows_1252(octets)


def decode(octets: bytes, charset: str | None, defects: set[str]) -> str:
    """Reads octets as what their label says.

    Args:
        octets: the text, its transfer encoding undone.
        charset: the label (RFC 2045 section 5.1), None where there is none.
        defects: takes ``unknown-charset`` where the label is none that we know, and
            ``charset-mismatch`` where the octets are not what it says.
    """
    name = codec_name(charset)
    if name in (None, "ascii") and octets.isascii():
        if name is None and charset:
            defects.add("unknown-charset")
        return octets.decode("ascii")
    if name is None or name == "ascii":
        defects.add("charset-mismatch" if charset and name else "unknown-charset")
        return unlabelled(octets)
    if name in _LATIN_1:
        return windows_1252(octets)
    try:
        text = octets.decode(name)
        # Codecs such as UTF-7 can make half a surrogate pair, which no text may hold.
        text.encode("utf-8")
    except (UnicodeError, ValueError):
        defects.add("charset-mismatch")
        return _mismatched(octets, name)
    return text


def _mismatched(octets: bytes, name: str) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if name in ("utf_8", "utf_7"):
        return windows_1252(octets)
    text = octets.decode(name, "replace")
    return text.encode("utf-8", "replace").decode("utf-8")


def codec_name(charset: str | None) -> str | None:
    """The codec for a label, None where the label is absent or not one of a character set."""
    if not charset or len(charset) > 40:
        return None
    key = charset.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    return _CODECS.get(key)
