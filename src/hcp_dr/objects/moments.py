"""Formats timestamps. Pure: reads no clock."""

from __future__ import annotations

_DAY = 86400


def utc(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339, such as 2026-03-01T02:03:04Z."""
    days, rest = divmod(int(seconds), _DAY)
    year, month, day = _civil(days)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day from days since 1970-01-01, with years that begin in March and eras of 400 years."""
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year_of_era + era * 400 + (month <= 2), month, day
