"""The fields of a kubeconfig, typed as kubectl types them: what has another type is refused, and its value never shown.

A string where a boolean belongs decides otherwise than whoever wrote it meant: "false" would be true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_KEY = re.compile(r"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[ -~\s]+?-----END \1-----")
_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class UnusableError(Exception):
    """The reason why a kubeconfig cannot be used."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of the file. `whose` is what errors call it; a field that is absent or null is not there."""

    values: Mapping[str, Any]
    whose: str = "its"

    def text(self, key: str) -> str | None:
        """None also where it is empty."""
        value = self._typed(key, str, "a string")
        if value and not is_plain(value):
            raise UnusableError(f"{self.whose} {key} has a character that cannot be")
        return value or None

    def flag(self, key: str) -> bool:
        return bool(self._typed(key, bool, "true or false, without quotes"))

    def map(self, key: str) -> Fields:
        return Fields(self._typed(key, dict, "a mapping") or {}, self.whose)

    def maps(self, key: str) -> Iterator[Fields]:
        for entry in self._typed(key, list, "a list") or ():
            if not isinstance(entry, dict):
                raise UnusableError(f"{self.whose} {key} has an entry that is not a mapping")
            yield Fields(entry, self.whose)

    def texts(self, key: str) -> tuple[str, ...]:
        entries = self._typed(key, list, "a list") or []
        if not all(isinstance(entry, str) and is_plain(entry) for entry in entries):
            raise UnusableError(f"{self.whose} {key} has an entry that is not a string")
        return tuple(entries)

    def header(self, key: str) -> str | None:
        """What is sent in a header, without the white space around it."""
        value = self.text(key)
        return None if value is None else sendable(value, f"{self.whose} {key}")

    def _typed(self, key: str, kind: type, words: str) -> Any:
        value = self.values.get(key)
        if value is not None and not isinstance(value, kind):
            raise UnusableError(f"{self.whose} {key} is not {words}")
        return value


def is_plain(text: str) -> bool:
    """Whether it can be a path, an argument, a variable."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def sendable(value: str, what: str) -> str:
    """The value as a header can have it. Raises UnusableError, without the value."""
    value = value.strip()
    if not _SENDABLE.fullmatch(value):
        raise UnusableError(f"{what} cannot be sent in a header: it is empty, or has a character that none can have")
    return value


def certificates(text: str, what: str) -> str:
    """The certificates in a text, and nothing around them. Raises UnusableError where there is none."""
    found = [match[0] for match in _CERTIFICATE.finditer(text)]
    if not found:
        raise UnusableError(f"{what} is not valid: there is no certificate in it")
    return "\n".join(found) + "\n"


def private_key(text: str, what: str) -> str:
    """As `certificates`, of the first private key."""
    found = _KEY.search(text)
    if found is None:
        raise UnusableError(f"{what} cannot be used: there is no private key in it")
    return found[0] + "\n"
