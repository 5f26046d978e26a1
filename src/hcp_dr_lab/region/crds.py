"""Check a user's folder of CustomResourceDefinitions before a region is started with it."""

from __future__ import annotations

from pathlib import Path

import yaml

from hcp_dr.kube import resources
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.standin.conversion import CONVERTIBLE, GROUP
from hcp_dr_lab.standin.install import definitions

_READ = {str(kind): kind for kind in vars(resources).values() if isinstance(kind, Resource) and "." in kind.group}


def checked(folder: Path) -> Path:
    """Return the folder's absolute path. Raises BadOptions unless the folder has CustomResourceDefinitions that the
    rehearsal supports. The rehearsal's own definitions are used for missing kinds."""
    subject = f"{folder} (--crds)"
    if not folder.is_dir():
        raise BadOptions(
            f"{subject} is not a folder. Nothing was started. Pass a folder with one CustomResourceDefinition per file."
        )
    found: list[Object] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            documents = [one for one in yaml.safe_load_all(file.read_text("utf-8")) if one]
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadOptions(
                f"{subject} has an unreadable file {file.name}: {' '.join(str(error).split())}. Nothing was started."
            ) from error
        strangers = [one for one in documents if not _is_definition(one)]
        if strangers:
            raise BadOptions(
                f"{subject} has a file {file.name} that is not a CustomResourceDefinition. Nothing was started."
            )
        found += documents
    if not found:
        raise BadOptions(f"{subject} has no *.yaml file with a CustomResourceDefinition. Nothing was started.")
    _refuse_unserved(subject, folder)
    return folder.absolute()


def _is_definition(document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.get("kind") == "CustomResourceDefinition"
        and bool((document.get("metadata") or {}).get("name"))
        and bool((document.get("spec") or {}).get("versions"))
    )


def _refuse_unserved(subject: str, folder: Path) -> None:
    """Refuse definitions without the version in which the rehearsal reads and writes the kind."""
    for name, definition in definitions(folder).items():
        versions = [one["name"] for one in definition["spec"]["versions"] if one.get("served")]
        wanted = _READ.get(name)
        known = () if wanted is None else CONVERTIBLE if wanted.group == GROUP else (wanted.version,)
        if known and not set(known) & set(versions):
            raise BadOptions(
                f"{subject} has {name} without the required version {' or '.join(known)}; served versions: "
                f"{', '.join(versions) or 'none'}. Nothing was started."
            )
