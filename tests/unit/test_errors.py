"""What an error tells a person, and that it survives being sent from one process to another."""

from __future__ import annotations

import inspect
import pickle
import re
import string
from typing import Any

import pytest

from hcp_dr import errors
from tests.claims import denials

CLASSES = sorted(
    (member for _, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, errors.HcpDrError)),
    key=lambda kind: kind.exit_code,
)


def example(kind: type[errors.HcpDrError]) -> errors.HcpDrError:
    fields = (field for _, field, _, _ in string.Formatter().parse(kind.template) if field)
    numbers: dict[str, object] = {"seconds": 12.6, "count": 2}
    values: dict[str, Any] = {field: numbers.get(field, f"<{field}>") for field in fields}
    return kind(**values)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_it_says_what_happened_what_was_left_and_what_to_do(kind: type[errors.HcpDrError]) -> None:
    error = example(kind)
    paragraph = error.paragraph()
    for value in error.values.values():
        assert (f"{value:.0f}" if isinstance(value, float) else str(value)) in paragraph
    assert error.left_as in paragraph
    assert error.next in paragraph
    assert "{" not in paragraph
    assert "\n" not in paragraph
    assert error.left_as.endswith(".")
    assert error.next.endswith((".", "`"))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_it_can_be_sent_elsewhere(kind: type[errors.HcpDrError]) -> None:
    error = example(kind)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is kind
    assert copy.paragraph() == error.paragraph()
    assert copy.values == error.values
    assert str(copy) == str(error)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_refusal_never_passes_by_itself(kind: type[errors.HcpDrError]) -> None:
    assert not (kind.passing and issubclass(kind, errors.Refused | errors.SettingsError))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_only_what_comes_before_anything_says_so(kind: type[errors.HcpDrError]) -> None:
    """The others may be raised after an act."""
    before = issubclass(kind, errors.SettingsError | errors.ConfirmationMissing)
    assert before or denials(kind.left) == []


def test_one_occasion_may_say_it_otherwise() -> None:
    error = errors.Refused(what="The fence is open.", left="All is as it was.", todo="Close it.")
    assert error.paragraph() == "The fence is open. All is as it was. Close it."
    assert pickle.loads(pickle.dumps(error)).paragraph() == error.paragraph()  # noqa: S301


def test_what_goes_on_is_named_as_it_is_run() -> None:
    error = errors.Refused(what="The fence is open.", todo=f"Close it, then run {errors.RESUME}.")
    error.remedy = f"{error.remedy} Or: {errors.resume_with('--dns takeover')}."
    assert error.next == "Close it, then run `hcp-dr resume`. Or: `hcp-dr resume --dns takeover`."
    assert pickle.loads(pickle.dumps(error)).paragraph() == error.paragraph()  # noqa: S301


def test_before_anything_was_begun_the_command_itself_goes_on() -> None:
    error = errors.ClusterUnreachable(cluster="source", verb="list", object="Pods", reason="no answer")
    before = error.before_anything("Nothing was changed anywhere.")
    assert before.paragraph().endswith(
        "Nothing was changed anywhere. Check the network and the kubeconfig, then run the command again."
    )
    assert pickle.loads(pickle.dumps(before)).paragraph() == before.paragraph()  # noqa: S301


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_no_remedy_of_a_class_has_a_slot_that_nobody_fills(kind: type[errors.HcpDrError]) -> None:
    words = re.compile(r"{(\w+)")
    slots = set(words.findall(kind.todo)) - set(words.findall(kind.template))
    assert slots <= {"resume"}


def test_a_busy_server_says_when_to_come_back() -> None:
    error = errors.ServerBusy(retry_after=3.5, cluster="source", verb="get", object="Pod a/b", reason="busy")
    assert pickle.loads(pickle.dumps(error)).retry_after == 3.5  # noqa: S301


def test_a_presigned_url_that_a_server_quotes_is_no_key_any_more() -> None:
    url = "https://s3/b/k?X-Amz-Credential=AKIA%2F1&X-Amz-Expires=60&X-Amz-Signature=0123abcd"
    error = errors.Invalid(
        cluster="destination", verb="create", object="HostedCluster a/b", reason=f'"{url}": too long'
    )
    assert "0123abcd" not in error.paragraph()
    assert "AKIA" not in error.paragraph()
    assert "X-Amz-Expires=60" in error.paragraph()
    assert "0123abcd" not in str(error.values)
