"""The release that a control plane runs decides how its etcd is restored."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.objects.release import control_plane_images, control_plane_version
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR_IMAGE

DIGEST = "quay.example/release@sha256:ab12"


def told(image: str, version: str) -> dict[str, Any]:
    return {"history": [{"image": "older", "version": "4.1.0"}, {"image": image, "version": version}]}


@pytest.mark.parametrize(
    ("hosted_cluster", "version"),
    [
        ({"spec": {"release": {"image": "quay.example:5000/release:4.23.1-x86_64"}}}, "4.23.1-x86_64"),
        ({"spec": {"release": {"image": DIGEST}}, "status": {"version": told(DIGEST, "4.23.2")}}, "4.23.2"),
        ({"spec": {"release": {"image": DIGEST}}, "status": {"version": told("another", "4.23.2")}}, ""),
        ({"spec": {"release": {"image": DIGEST}}}, ""),
        (
            {
                "spec": {"release": {"image": "r:4.23.0"}, "controlPlaneRelease": {"image": DIGEST}},
                "status": {"version": told("r:4.23.0", "4.23.0"), "controlPlaneVersion": told(DIGEST, "4.22.9")},
            },
            "4.22.9",
        ),
        ({}, ""),
    ],
)
def test_the_control_planes_version(hosted_cluster: dict[str, Any], version: str) -> None:
    assert control_plane_version({"metadata": {}, **hosted_cluster}) == version


def test_an_operator_of_ones_own_is_of_no_release() -> None:
    own = {"annotations": {CONTROL_PLANE_OPERATOR_IMAGE: "quay.example/mine:1"}}
    assert control_plane_version({"metadata": own, "spec": {"release": {"image": "r:4.23.0"}}}) == ""


def test_what_a_control_plane_is_made_of() -> None:
    release = {"release": {"image": "r:1"}}
    own = {"annotations": {CONTROL_PLANE_OPERATOR_IMAGE: "quay.example/mine:1"}}
    assert control_plane_images({"metadata": {}, "spec": release}) == "r:1"
    assert control_plane_images({"metadata": {}, "spec": {**release, "controlPlaneRelease": {"image": "r:2"}}}) == "r:2"
    assert control_plane_images({"metadata": own, "spec": release}) == "r:1 quay.example/mine:1"
    assert control_plane_images({"metadata": {}}) == ""
