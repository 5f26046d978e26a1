"""The backup folder of the documented commands, compared with the source: its content, the missing objects, and the
commands that add them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.machines.instances import instance_id
from hcp_dr.hypershift.manual_backup import parse as manual_parse
from hcp_dr.hypershift.manual_backup.parse import Difference, HandMade
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.kube.stored import carried_versions
from hcp_dr.model import Case
from hcp_dr.objects.archive import MANIFEST, Archive, path_of
from hcp_dr.objects.reading import dig, name_of, namespace_of
from hcp_dr.objects.select import is_token_secret, referenced_config_maps, referenced_secrets
from hcp_dr.upstream import ANCHORS, AUTHORITIES

_NEVER_RESTORED = "HostedControlPlane"
_MACHINERY = frozenset(resource.kind for resource in inventory.MACHINERY)
_KEYS = frozenset({"ca.key", "service-account.key", "key"})


def is_made_by_hand(archive: Archive, namespace: str) -> bool:
    """There are files with objects, but no manifest."""
    return archive.read(MANIFEST) is None and bool(archive.paths(f"namespaces/{namespace}"))


def read(archive: Archive, case: Case) -> HandMade:
    folders = (case.namespace, case.control_plane_namespace)
    paths = [path for folder in folders for path in archive.paths(f"namespaces/{folder}")]
    files = {path: archive.read(path) or b"" for path in paths if manual_parse.is_taken(path, name=case.name)}
    accepted = {
        kind: tuple(resource.at(version).api_version for version in carried_versions(resource))
        for kind, resource in inventory.RESOURCES.items()
    }
    return manual_parse.read(files, name=case.name, api_versions=accepted)


def machine_versions(folder: HandMade) -> dict[str, str]:
    """The version of each kind of machine object in the folder. `kubectl get` saves the server's preferred version,
    which need not be the stored version."""
    bodies = (item.body for item in folder.items if item.body["kind"] in _MACHINERY)
    return {body["kind"]: str(body["apiVersion"]).rpartition("/")[2] for body in bodies}


def belonging(folder: HandMade, case: Case) -> tuple[Object, ...]:
    """The objects of this hosted cluster in the folder, selected as on a management cluster, not by a name prefix."""
    if folder.find(HOSTED_CLUSTER, case.name, case.namespace) is None:
        return ()
    return inventory.read_inventory(folder, case)


@dataclass(frozen=True, slots=True)
class Lack:
    """An object missing in the folder. `command` adds it, "" if the source does not have it either."""

    what: str
    command: str

    def __str__(self) -> str:
        return self.what if self.command else f"{self.what} (nor has the source)"


@dataclass(frozen=True, slots=True)
class Contents:
    """The folder compared with the source. `backup` is the folder's, `live` the objects for `hcp-dr backup` now."""

    folder: str
    problems: tuple[str, ...]
    backup: tuple[Object, ...]
    live: tuple[Object, ...]
    control_plane_namespace: str

    @property
    def difference(self) -> Difference:
        return manual_parse.compare(self.backup, self.live)

    def lacking(self) -> tuple[tuple[Lack, ...], tuple[Lack, ...]]:
        """The objects that must not be missing, and those that operators create again."""
        absent = [item for item in self.difference.missing if item["kind"] != _NEVER_RESTORED]
        needed = [self._lack(item) for item in absent if self._is_needed(item)]
        spare = [self._lack(item) for item in absent if not self._is_needed(item)]
        known = {lack.what for lack in needed}
        needed += [Lack(what, "") for what in self._unresolved() if what not in known]
        return tuple(needed), tuple(spare)

    def outdated(self) -> tuple[tuple[Lack, ...], tuple[Lack, ...]]:
        """The objects that differ from the source now, or are gone from it: the decisive ones, and the rest."""
        difference = self.difference
        deciding = [item for item in difference.changed if self._decides(item)]
        went = [item for item in difference.gone if item["kind"] in _MACHINERY or item["kind"] == "NodePool"]
        rest = [item for item in difference.changed if item not in deciding and not _is_token(item)]
        lacks = [*(self._lack(item) for item in deciding), *(Lack(named(item), "") for item in went)]
        return tuple(lacks), tuple(self._lack(item) for item in rest)

    def broken(self) -> tuple[str, ...]:
        """Anchors of trust without their key, and AWSMachines without an instance (rules A7, B1)."""
        problems = []
        for item in self.backup:
            data = item.get("data") or {}
            own = namespace_of(item) == self.control_plane_namespace
            if item["kind"] == "Secret" and own and name_of(item) in AUTHORITIES:
                problems += [f"{named(item)} has no {key}" for key in ("ca.crt", "ca.key") if not data.get(key)]
            if item["kind"] == "AWSMachine" and instance_id(item) is None:
                problems.append(f"{named(item)} has no spec.providerID")
            if item["metadata"].get("deletionTimestamp"):
                problems.append(f"{named(item)} was being deleted when it was saved")
        return tuple(problems)

    def _is_needed(self, item: Object) -> bool:
        """Everything except tokens and control plane secrets without an authority or a key (rule B)."""
        if item["kind"] != "Secret" or namespace_of(item) != self.control_plane_namespace:
            return True
        return _signs(item) and not _is_token(item)

    def _decides(self, item: Object) -> bool:
        kinds = ("HostedCluster", "NodePool", *_MACHINERY)
        return item["kind"] in kinds or (self._is_needed(item) and item["kind"] != _NEVER_RESTORED)

    def _unresolved(self) -> list[str]:
        """The objects that the folder refers to but does not hold."""
        present = {(item["kind"], namespace_of(item), name_of(item)) for item in self.backup}
        kinds = {kind for kind, _, _ in present} | {item["kind"] for item in self.live}  # kinds of the source are named
        missing = [f"any {kind}" for kind in inventory.REQUIRED_KINDS if kind not in kinds]
        own = self.control_plane_namespace
        wanted = [("Secret", own, name) for name in ANCHORS]
        for hosted_cluster in (item for item in self.backup if item["kind"] == "HostedCluster"):
            pools = [item for item in self.backup if item["kind"] == "NodePool"]
            place = str(namespace_of(hosted_cluster))
            wanted += [("Secret", place, name) for name in sorted(referenced_secrets(hosted_cluster))]
            wanted += [("ConfigMap", place, name) for name in sorted(referenced_config_maps(hosted_cluster, pools))]
        for item in self.backup:
            wanted += [(kind, own, name) for kind, name in _templates_of(item)]
        return missing + [
            f"{kind} {place}/{name}" for kind, place, name in wanted if (kind, place, name) not in present
        ]

    def _lack(self, item: Object) -> Lack:
        resource = inventory.RESOURCES[item["kind"]]
        kind = f"{resource.plural}.{resource.version}.{resource.group}" if resource.group else resource.kind.lower()
        where = f"{self.folder}/{path_of(item)}"
        return Lack(named(item), f"oc get {kind} -n {namespace_of(item)} {name_of(item)} -o yaml > {where}")


def named(item: Object) -> str:
    return f"{item['kind']} {namespace_of(item)}/{name_of(item)}"


def _is_token(item: Object) -> bool:
    return item["kind"] == "Secret" and is_token_secret(item)


def _signs(secret: Object) -> bool:
    """An authority, or a key for signing or encryption: replacing it makes another cluster."""
    return name_of(secret) in ANCHORS or bool(_KEYS & set(secret.get("data") or {}))


def _templates_of(item: Object) -> list[tuple[str, str]]:
    """The machine template of a MachineDeployment or MachineSet: its name has a hash unknown to the documented
    command."""
    reference = dig(item, "spec", "template", "spec", "infrastructureRef") or {}
    if item["kind"] not in ("MachineDeployment", "MachineSet") or not reference.get("name"):
        return []
    return [(str(reference.get("kind")), str(reference["name"]))]


def read_contents(archive: Archive, folder: HandMade, live: Iterable[Object], case: Case) -> Contents:
    return Contents(
        folder=archive.folder,
        problems=folder.problems,
        backup=belonging(folder, case),
        live=tuple(live),
        control_plane_namespace=case.control_plane_namespace,
    )
