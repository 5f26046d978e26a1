"""Compares the rehearsal's CustomResourceDefinitions with those of a HyperShift release.

    python tools/crds.py RELEASE DIR     DIR has the definitions of that release, one or more in each *.yaml file

For each kind that both have: the versions of Cluster API that are served and stored, and each field of the rehearsal's
schema, which must have the same type in the release's schema. Fields that the release does not have yet are listed, and
are no difference: the rehearsal's own definitions of HyperShift's kinds are those of the newest release. Exit code 1 if
there is a difference.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hcp_dr_lab.ground.releases import RELEASES
from hcp_dr_lab.standin.conversion import GROUP
from hcp_dr_lab.standin.install import definitions

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Schema = Mapping[str, Any]


def main(release: str, folder: Path) -> int:
    own = definitions(None, RELEASES[release])
    documents = (item for file in sorted(folder.glob("*.yaml")) for item in yaml.load_all(file.read_text(), _LOADER))
    full = {item["metadata"]["name"]: item for item in documents if item}
    differences = 0
    lacking: list[str] = []
    for name in sorted(own.keys() & full.keys()):
        for text, is_different in compare(own[name]["spec"], full[name]["spec"]):
            if is_different:
                differences += 1
                print(f"{name}: {text}")
            else:
                lacking.append(f"{name}: {text}")
    compared = len(own.keys() & full.keys())
    print(f"{release}: {compared} kinds, {differences} differences; fields that this release lacks: {len(lacking)}")
    for text in lacking:
        print(f"  {text}")
    return 1 if differences or not compared else 0


def compare(own: Schema, full: Schema) -> Iterator[tuple[str, bool]]:
    """Sentences, each with whether it is a difference."""
    if own["group"] == GROUP:
        for part in ("served", "storage"):
            ours, theirs = ([v["name"] for v in spec["versions"] if v.get(part)] for spec in (own, full))
            if sorted(ours) != sorted(theirs):
                yield f"{part} are {', '.join(ours)}, and {', '.join(theirs)} in the release", True
    schemas = {version["name"]: version["schema"]["openAPIV3Schema"] for version in full["versions"]}
    for version in own["versions"]:
        if version["name"] in schemas:
            yield from compare_schema(version["schema"]["openAPIV3Schema"], schemas[version["name"]], version["name"])


def compare_schema(own: Schema, full: Schema, place: str) -> Iterator[tuple[str, bool]]:
    if own.get("type") and full.get("type") and own["type"] != full["type"]:
        yield f"{place} is {own['type']}, and {full['type']} in the release", True
        return
    missing = set(own.get("required") or ()) - set(full.get("required") or ())
    if missing:
        yield f"{place} requires {', '.join(sorted(missing))}, which the release does not require", True
    known, deeper = full.get("properties") or {}, own.get("properties") or {}
    for name, schema in deeper.items():
        if name in known:
            yield from compare_schema(schema, known[name], f"{place}.{name}")
        elif known and not full.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{place}.{name}", False
    for inner in ("items", "additionalProperties"):
        if isinstance(own.get(inner), Mapping) and isinstance(full.get(inner), Mapping):
            yield from compare_schema(own[inner], full[inner], f"{place}[]")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in RELEASES:
        sys.exit(f"{__doc__}\nRELEASE is one of {', '.join(RELEASES)}.")
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
