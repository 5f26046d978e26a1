"""A folder of CustomResourceDefinitions of the user's, looked at before a region is brought up on them."""

from __future__ import annotations

from pathlib import Path

import yaml

from hcp_dr.kube import resources
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.standin.install import definitions

_READ = {str(kind): kind for kind in vars(resources).values() if isinstance(kind, Resource) and "." in kind.group}


def checked(folder: Path) -> Path:
    """The folder by its absolute path. Raises BadOptions where it is not one of CustomResourceDefinitions that the
    rehearsal can work on; kinds that it does not have are the rehearsal's own."""
    said = f"{folder}, given with --crds,"
    if not folder.is_dir():
        raise BadOptions(f"{said} is no folder. Nothing was started. Give one with a CustomResourceDefinition a file.")
    found: list[Object] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            documents = [one for one in yaml.safe_load_all(file.read_text("utf-8")) if one]
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadOptions(
                f"{said} has a file {file.name} that cannot be read: {' '.join(str(error).split())}. Nothing was "
                "started."
            ) from error
        strangers = [one for one in documents if not _is_definition(one)]
        if strangers:
            raise BadOptions(f"{said} has a file {file.name} with something else in it. Nothing was started.")
        found += documents
    if not found:
        raise BadOptions(f"{said} holds no CustomResourceDefinition in a *.yaml file. Nothing was started.")
    _refuse_unserved(said, folder)
    return folder.absolute()


def _is_definition(document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.get("kind") == "CustomResourceDefinition"
        and bool((document.get("metadata") or {}).get("name"))
        and bool((document.get("spec") or {}).get("versions"))
    )


def _refuse_unserved(said: str, folder: Path) -> None:
    """Everything is read and written in one version of its kind."""
    for name, definition in definitions(folder).items():
        versions = [one["name"] for one in definition["spec"]["versions"] if one.get("served")]
        wanted = _READ.get(name)
        if wanted is not None and wanted.version not in versions:
            raise BadOptions(
                f"{said} has {name} without the version {wanted.version}, in which it is read and written; served "
                f"there: {', '.join(versions) or 'none'}. Nothing was started."
            )
