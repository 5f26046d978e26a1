"""No class of a library underneath reaches the rest of the product."""

from __future__ import annotations

import inspect
import ssl
from types import ModuleType

import httpcore2
import httpx2
import pytest
import wsproto.utilities

from hcp_dr import errors
from hcp_dr.kube import credentials, kubeconfig, mapping
from hcp_dr.kube.mapping import translate_errors


def exceptions(*modules: ModuleType) -> list[type[Exception]]:
    found = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and not issubclass(member, Warning)
    }
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


FROM_LIBRARIES = exceptions(httpx2, httpcore2, wsproto.utilities, ssl)
OUR_OWN = exceptions(credentials, kubeconfig, mapping)


def made(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, "why")
    if isinstance(error, httpx2.HTTPStatusError):
        error.response = httpx2.Response(418, content=b"")
    if isinstance(error, mapping.StatusError):
        error.status, error.code = {}, 418
    return error


@pytest.mark.parametrize("kind", [*FROM_LIBRARIES, *OUR_OWN], ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_is_mapped(kind: type[Exception]) -> None:
    with pytest.raises(errors.KubernetesError) as caught, translate_errors("source", "get", "Secret n/a"):
        raise made(kind)
    assert isinstance(caught.value.__cause__, kind)
    assert "Secret n/a" in caught.value.paragraph()


def test_the_walk_saw_the_libraries() -> None:
    assert {httpx2.ConnectError, httpx2.InvalidURL, httpcore2.ReadTimeout, ssl.SSLError} <= set(FROM_LIBRARIES)
    assert len(FROM_LIBRARIES) > 40


def test_a_mistake_of_our_own_is_not_hidden() -> None:
    with pytest.raises(KeyError), translate_errors("source", "get", "Secret n/a"):
        raise KeyError("name")
