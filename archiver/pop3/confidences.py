"""What was said in confidence in a session, and whether a server's words repeat it.

Our own words are hidden by verb (``transcript``). What is left are servers that repeat a command
which they do not know: in whole, out of its base64, or cut short. So a secret counts as repeated
where so many of its characters stand in a row as no accident would put there.
"""

import re
from base64 import b64encode

from archiver.pop3.rules import Verb

REPEATED = "(it repeats a secret and is not shown)"
"""What stands in place of a server's words."""

# A shorter secret is in too many words: to hide them would tell it.
_SHORTEST = 4
_RUN = 16
# Of what a response is made of, shorter fields, such as ``n``, prove nothing.
_SHORTEST_FIELD = 8
_FIELDS = re.compile(rb"[\0\1, ]")
_PUBLIC_FIELD = re.compile(rb"(?:user|n|a|host|port|c|r)=|auth=Bearer\Z", re.DOTALL)


class Confidences:
    """Grows with what is said; nothing of it is in its representation.

    Args:
        public: names, which are no secrets though they are sent with them.
    """

    def __init__(self, *public: str) -> None:
        """Nothing was said yet."""
        self._public = frozenset(public)
        self._short: set[str] = set()
        self._runs: set[str] = set()

    def keep(self, *said: bytes) -> None:
        """Takes secrets as they were sent."""
        for words in {octets.decode("utf-8", "replace") for octets in said} - self._public:
            if len(words) >= _RUN:
                self._runs.update(words[at : at + _RUN] for at in range(len(words) - _RUN + 1))
            elif len(words) >= _SHORTEST:
                self._short.add(words)

    def keep_command(self, verb: Verb, arguments: bytes) -> None:
        """Takes what a command says in confidence."""
        if verb is Verb.PASS:
            self.keep(arguments)
        elif verb in (Verb.APOP, Verb.AUTH):
            self.keep(arguments.partition(b" ")[2])

    def keep_response(self, octets: bytes) -> None:
        """Takes a SASL response, before base64."""
        fields = [field for field in _FIELDS.split(octets) if len(field) >= _SHORTEST_FIELD]
        self.keep(b64encode(octets), *(one for one in fields if not _PUBLIC_FIELD.match(one)))

    def repeated_in(self, words: str) -> bool:
        """Whether these words, none of which may be missing, repeat a secret or a part of one."""
        runs = (words[at : at + _RUN] for at in range(len(words) - _RUN + 1))
        return any(run in self._runs for run in runs) or any(one in words for one in self._short)
