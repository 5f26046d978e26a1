"""Collect the fragments of changes.d/ into CHANGELOG.md, under the version that hcp-dr has now, and remove them.

A fragment is NAME.md with one sentence for users, listed as added; NAME.changed.md, NAME.fixed.md and so on go under
those headings (https://keepachangelog.com). Run it again whenever there are new ones: it adds to the section of the
version. To release, write the date into its heading and raise the version.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import hcp_dr

ROOT = Path(__file__).parents[1]
GROUPS = ("added", "changed", "deprecated", "removed", "fixed", "security")
WIDTH = 120


def fragments(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*.md")) if path.name != "README.md")


def group_of(fragment: Path) -> str:
    """Raises ValueError for a heading that a changelog does not have."""
    _, _, group = fragment.stem.partition(".")
    if group and group not in GROUPS:
        raise ValueError(f"{fragment.name}: {group} is none of {', '.join(GROUPS)}")
    return group or "added"


def entry(text: str) -> str:
    """One item of the list."""
    words = " ".join(text.split())
    return textwrap.fill(f"- {words}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def collected(changelog: str, version: str, new: Mapping[str, list[str]]) -> str:
    """The changelog with these entries more, by heading, in the section of the version; a section of its own, on top of
    the others, where there is none."""
    head, sections = _split(changelog, r"^(?=## \[)")
    if not sections or not sections[0].startswith(f"## [{version}]"):
        sections.insert(0, f"## [{version}] - unreleased\n\n")
    title, groups = _split(sections[0], r"^(?=### )")
    there = {
        group.partition("\n")[0].removeprefix("### ").lower(): group.partition("\n")[2].strip() for group in groups
    }
    for group, entries in new.items():
        there[group] = "\n".join(filter(None, [there.get(group, ""), *entries]))
    body = "".join(f"### {group.capitalize()}\n\n{there[group]}\n\n" for group in GROUPS if group in there)
    sections[0] = f"{title.rstrip()}\n\n{body}"
    return f"{head.rstrip()}\n\n{''.join(sections)}".rstrip() + "\n"


def _split(text: str, where: str) -> tuple[str, list[str]]:
    head, *rest = re.split(where, text, flags=re.MULTILINE)
    return head, rest


def main() -> None:
    changelog = ROOT / "CHANGELOG.md"
    new: dict[str, list[str]] = {}
    found = list(fragments(ROOT / "changes.d"))
    try:
        for fragment in found:
            new.setdefault(group_of(fragment), []).append(entry(fragment.read_text("utf-8")))
    except ValueError as error:
        sys.exit(str(error))
    changelog.write_text(collected(changelog.read_text("utf-8"), hcp_dr.__version__, new), "utf-8")
    for fragment in found:
        fragment.unlink()
    sys.stdout.write(f"{len(found)} changes are in {changelog.name} under {hcp_dr.__version__}\n")


if __name__ == "__main__":
    main()
