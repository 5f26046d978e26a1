"""The fields of a kubeconfig, with the types that kubectl requires. A field of another type is refused, and its value
is never printed.

A string in the place of a boolean would reverse the setting: "false" would be true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_KEY = re.compile(r"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[ -~\s]+?-----END \1-----")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class UnusableError(Exception):
    """A kubeconfig cannot be used; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of the file. `label` names it in errors; null counts as absent."""

    values: Mapping[str, Any]
    label: str = "its"

    def text(self, key: str) -> str | None:
        """None if the field is absent or empty."""
        value = self._typed(key, str, "a string")
        if value and not is_plain(value):
            raise UnusableError(f"{self.label} {key} contains a character that is not allowed")
        return value or None

    def flag(self, key: str) -> bool:
        return bool(self._typed(key, bool, "true or false, without quotes"))

    def map(self, key: str) -> Fields:
        return Fields(self._typed(key, dict, "a mapping") or {}, self.label)

    def maps(self, key: str) -> Iterator[Fields]:
        for entry in self._typed(key, list, "a list") or ():
            if not isinstance(entry, dict):
                raise UnusableError(f"{self.label} {key} has an entry that is not a mapping")
            yield Fields(entry, self.label)

    def texts(self, key: str) -> tuple[str, ...]:
        entries = self._typed(key, list, "a list") or []
        if not all(isinstance(entry, str) and is_plain(entry) for entry in entries):
            raise UnusableError(f"{self.label} {key} has an entry that is not a string")
        return tuple(entries)

    def header(self, key: str) -> str | None:
        """The text as the value of an HTTP header, without surrounding white space."""
        value = self.text(key)
        return None if value is None else header_value(value, f"{self.label} {key}")

    def _typed(self, key: str, kind: type, expected: str) -> Any:
        value = self.values.get(key)
        if value is not None and not isinstance(value, kind):
            raise UnusableError(f"{self.label} {key} is not {expected}")
        return value


def is_plain(text: str) -> bool:
    """Whether the text can be a path, an argument or the value of a variable."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def header_value(value: str, label: str) -> str:
    """The value without surrounding white space. Raises UnusableError, which does not quote the value."""
    value = value.strip()
    if not _HEADER_VALUE.fullmatch(value):
        raise UnusableError(
            f"{label} cannot be sent in a header: it is empty or contains a character that headers do not allow"
        )
    return value


def certificates(text: str, label: str) -> str:
    """The certificates in a text, without the text around them. Raises UnusableError if the text has none."""
    blocks = [match[0] for match in _CERTIFICATE.finditer(text)]
    if not blocks:
        raise UnusableError(f"{label} is not valid: it contains no certificate")
    return "\n".join(blocks) + "\n"


def private_key(text: str, label: str) -> str:
    """As `certificates`, for the first private key."""
    match = _KEY.search(text)
    if match is None:
        raise UnusableError(f"{label} cannot be used: it contains no private key")
    return match[0] + "\n"
