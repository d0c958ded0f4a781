"""Why a login failed, and what to do about it: the codes of RFC 2449 and 3206, and known words.

``_REASONS`` is read from the top, and the first row that fits gives what is said. What the server
said is quoted, unless it repeats a secret.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archiver.errors import LoginRefused, ServerUnavailable
from archiver.pop3.confidences import Confidences
from archiver.pop3.dialogue import Outcome
from archiver.pop3.mechanisms import MECHANISMS, Kind

_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class _Reason:
    """One cause of a refused login.

    Args:
        what: what is wrong.
        hint: what to do.
        codes: response codes that say so; with ``words`` as well, both must be there. An empty
            code is the lack of one.
        words: what servers write then.
        kinds: of mechanisms that it is about; none for all.
        passing: the code of ServerUnavailable; nothing where it does not pass by itself.
    """

    what: str
    hint: str
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    kinds: frozenset[Kind] = frozenset()
    passing: str = ""

    def fits(self, outcome: Outcome, kind: Kind) -> bool:
        reply = outcome.reply
        return (
            (not self.codes or reply.code in self.codes)
            and (self.words is None or self.words.search(reply.text) is not None)
            and (not self.kinds or kind in self.kinds)
        )


def busy(outcome: Outcome, name: str) -> bool:
    """Whether this refusal passes by itself: another way to sign in would not help."""
    return bool(_reason(outcome, name).passing)


def refusal(
    user: str, names: Sequence[str], outcome: Outcome, confidences: Confidences
) -> LoginRefused | ServerUnavailable:
    """The error for a login that failed.

    Args:
        user: who wanted to sign in.
        names: the ways that were tried, the last of which gave the outcome.
        outcome: how it ended.
        confidences: what must not be shown, should the server's words repeat it.
    """
    reason = _reason(outcome, names[-1])
    said = _said(outcome, confidences)
    if reason.passing:
        return ServerUnavailable(
            f"{user} cannot sign in now: {reason.what}; {said}",
            hint=reason.hint,
            code=reason.passing,
        )
    ways = ", nor by ".join(MECHANISMS[name].title for name in names)
    return LoginRefused(
        f"{user} cannot sign in by {ways}: {reason.what}; {said}",
        hint=reason.hint,
        code=outcome.reply.code,
    )


def _reason(outcome: Outcome, name: str) -> _Reason:
    kind = MECHANISMS[name].kind
    return next(reason for reason in _REASONS if reason.fits(outcome, kind))


def _said(outcome: Outcome, confidences: Confidences) -> str:
    text, note = outcome.reply.text, outcome.note
    if confidences.repeated_in(text) or confidences.repeated_in(note):
        return "what the server said repeats a secret and is not shown"
    said = f"the server said: {text[:_MOST_WORDS]}" if text else "the server gave no reason"
    return said + (f" ({note})" if note else "")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_TOKEN = frozenset({Kind.TOKEN})
_CERTIFICATE = frozenset({Kind.CERTIFICATE})
_PASSWORD = frozenset(Kind) - _TOKEN - _CERTIFICATE
_SILENT = frozenset({""})
_IN_USE = "another program has the mailbox open: close it or try later"
_WRONG = "user name or password is wrong"
_CHECK = "check user name and password, and that POP3 is switched on for this mailbox"
_LOG_IN = "run archiver login, and see that POP3 is switched on for this mailbox"

_REASONS = (
    _Reason("the mailbox is in use", _IN_USE, frozenset({"IN-USE"}), passing="IN-USE"),
    _Reason(
        "it is too soon after the last login",
        "the server wants more time between logins: try later",
        frozenset({"LOGIN-DELAY"}),
        passing="LOGIN-DELAY",
    ),
    _Reason(
        "the server has trouble of its own",
        "try later",
        frozenset({"SYS/TEMP"}),
        passing="SYS/TEMP",
    ),
    _Reason(
        "the provider wants to see you in a web browser",
        "sign in once with a browser, answer what is asked there, then try again",
        words=_words(r"webalert|web login|web browser"),
    ),
    _Reason(
        "this password is not taken for POP3",
        "make an app password in the security settings of the account, and use that",
        words=_words(r"\bapp(lication)?[- ](specific )?password"),
    ),
    _Reason(
        "the provider takes no passwords any more",
        "set up OAuth for the account, then run archiver login",
        words=_words(r"basic ?auth"),
        kinds=_PASSWORD,
    ),
    _Reason(
        "the server finds a message in the mailbox damaged, and shows none of them",
        "ask the server's administrator to look at the mailbox",
        words=_words(r"message is damaged"),
    ),
    _Reason(
        "POP3 is switched off for this mailbox",
        "switch POP3 on in the settings of the mailbox, or ask the administrator to",
        words=_words(
            r"not enabled for pop|\bpop3?\b.{0,20}\b(disabled|switched off|turned off"
            r"|not (been )?(enabled|allowed|activated))|(disabled|enable) pop3?\b"
        ),
    ),
    # Gmail
    _Reason(
        _WRONG,
        "Gmail wants an app password, which needs 2-Step Verification, or OAuth: archiver login",
        words=_words("username and password not accepted"),
        kinds=_PASSWORD,
    ),
    # Exchange Online and Outlook.com say this whatever is wrong
    _Reason(
        "name and password were refused",
        "check both; Microsoft takes no passwords for most mailboxes: set up OAuth, then run"
        " archiver login",
        words=_words("unknown user name or bad password"),
        kinds=_PASSWORD,
    ),
    # Yahoo and AOL
    _Reason(
        _WRONG,
        "Yahoo and AOL want an app password for POP3",
        words=_words(r"\(#(AUTH|MBR)\d+\)"),
        kinds=_PASSWORD,
    ),
    _Reason("the access token was refused", _LOG_IN, frozenset({"AUTH"}), kinds=_TOKEN),
    _Reason(
        "the certificate was refused",
        "check client_cert, and that the server knows whose it is",
        frozenset({"AUTH"}),
        kinds=_CERTIFICATE,
    ),
    _Reason(
        _WRONG,
        "check user name and password; many providers want an app password for POP3",
        frozenset({"AUTH"}),
    ),
    _Reason(
        "the server has trouble that will not pass",
        "only the provider can put this right",
        frozenset({"SYS/PERM"}),
    ),
    _Reason(
        "the mailbox is in use",
        _IN_USE,
        _SILENT,
        _words(
            r"\b(mail ?drop|mail ?box|folder)\b.*\b(lock|locked|busy|in use)\b|unable to lock"
            r"|\bwait\b"
        ),
        passing="IN-USE",
    ),
    _Reason(
        "the server has trouble of its own",
        "try later",
        _SILENT,
        _words(r"\btemporar(il)?y\b|too many (connections|sessions)"),
        passing="SYS/TEMP",
    ),
    _Reason(
        "the server does not do this",
        "choose another way to sign in with the setting auth",
        _SILENT,
        _words(r"\bmechanism|unsupported|not (supported|implemented)|unknown command"),
    ),
    _Reason("the access token was refused", _LOG_IN, kinds=_TOKEN),
    _Reason(
        _WRONG,
        _CHECK,
        _SILENT,
        _words(
            r"\bpassword\b|\b(auth\w*|log ?[io]n) fail"
            r"|\b(bad|invalid|wrong|incorrect) (log ?[io]n|user|credentials)"
        ),
        _PASSWORD,
    ),
    _Reason("the login was refused", _CHECK),
)
