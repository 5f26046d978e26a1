"""What is hidden in a text, and what stays to be read."""

from __future__ import annotations

import base64

import pytest

from hcp_dr import hiding
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.perform import hide
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.state import Key
from hcp_dr.errors import ClusterUnreachable, Refused
from hcp_dr.hiding import without_keys, without_secrets

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIhidden\nhidden\n-----END RSA PRIVATE KEY-----"
SHAPES = [
    "https://s3/b/k?X-Amz-Credential=hidden&X-Amz-Expires=60&X-Amz-Security-Token=hidden&X-Amz-Signature=hidden",
    "Illegal header value b'Bearer hidden-token\\n'",
    "Authorization: Bearer sha256~hidden",
    "sha256~hidden-hidden was refused",
    "Basic aGlkZGVuOmhpZGRlbg==".replace("aGlkZGVuOmhpZGRlbg==", base64.b64encode(b"me:hidden").decode()),
    "eyJhbGciOiJSUzI1NiJ9.hidden.hidden",
    KEY,
    repr(KEY),
    KEY.partition("-----END")[0],
    base64.b64encode(b"-----BEGIN hidden").decode(),
    "proxy http://me:hidden@proxy.example:3128 refused",
]
NAMED = [
    "aws_secret_access_key = hidden",
    '{"token": "hidden", "expirationTimestamp": null}',
    "{'SecretAccessKey': 'hidden'}",
    "SessionToken=hidden,",
    "password: hidden",
    "client-key-data: hidden",
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_has_the_shape_of_a_secret_is_in_no_error(text: str) -> None:
    for told in (without_keys(text), without_secrets(text)):
        assert "hidden" not in told.replace("(hidden)", "")
        assert base64.b64encode(b"me:hidden").decode() not in told
        assert base64.b64encode(b"-----BEGIN hidden").decode() not in told
    error = ClusterUnreachable(cluster="source", verb="get", object="Pod a/b", reason=text)
    assert "hidden" not in error.paragraph().replace("(hidden)", "")


@pytest.mark.parametrize("text", NAMED)
def test_what_is_named_like_a_secret_is_in_no_details(text: str) -> None:
    assert "hidden" not in without_secrets(text).replace("(hidden)", "")


@pytest.mark.parametrize(
    "text",
    [
        "Basic constraints of CA cert not marked critical",
        "Pod clusters-one/etcd-0 (etcd): 3 of 5 at https://api.example:6443/healthz?verbose",
        "s3://backups/hcp-dr/clusters/one/b@1: NoSuchKey",
        "its certificate is not trusted: self-signed certificate",
        "KeyError: 'metadata'",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_keys(text) == without_secrets(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text\twith a tab\nand a line", "plain text\twith a tab\nand a line"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("file\u202etxt.exe", "file\\u202etxt.exe"),
        ("http://user:pa55word@proxy.example:3128", "http://(hidden)@proxy.example:3128"),
        ("ä, 日本", "ä, 日本"),
    ],
)
def test_a_text_for_people(text: str, shown: str) -> None:
    assert hiding.safe(text) == shown
    assert hiding.safe({text: [text, 7, None, True, (text,)]}) == {shown: [shown, 7, None, True, [shown]]}
    assert Progress("note", "", text).text == shown
    assert shown in Refused(what=text, todo="").paragraph()


def test_a_text_in_the_journal_is_safe_and_what_is_remembered_is_exact() -> None:
    proxy = "http://user:pa55word@proxy.example"
    story = JournalState()
    for line in ({"line": "intent", "step": "s", "actions": [proxy]}, {"line": "remember", "key": "k", "value": proxy}):
        story = story.after(story.seal(line))
    assert story.lines[0]["actions"] == ["http://(hidden)@proxy.example"]
    assert story.memory.values["k"] == proxy


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('spec.a: Invalid value: "hidden": it is wrong', "spec.a: Invalid value: (hidden): it is wrong"),
        (r'spec.a: Invalid value: "hid\"den": it is wrong', "spec.a: Invalid value: (hidden): it is wrong"),
        ('spec.a: Invalid value: "hidden and cut o…', "spec.a: Invalid value: (hidden)"),
        ('spec.a: Unsupported value: "hidden": supported values: "A"', None),
        ('spec: Invalid value: {"a":"hidden"}: it is wrong', "spec: Invalid value: (hidden)"),
        ('spec: Invalid value: core.Secret{Data: "hidden"}: it is wrong', "spec: Invalid value: (hidden)"),
        ("spec.replicas: Invalid value: -1: must not be negative", None),
        ('metadata.name: Invalid value: "": required', None),
    ],
)
def test_a_value_that_an_api_server_quotes_is_hidden_behind_its_path(text: str, shown: str | None) -> None:
    assert "hidden" not in without_keys(text).replace("(hidden)", "")
    assert without_keys(text) == (shown if shown is not None else text.replace('"hidden"', "(hidden)"))


def test_a_known_value_is_hidden_where_it_is_cut_off_too() -> None:
    secret = "correct horse battery"
    assert hiding.without(f"no: {secret}, {secret}!", [secret]) == "no: (hidden), (hidden)!"
    assert hiding.without("no: correct horse ba…", [secret]) == "no: (hidden)…"
    assert hiding.without("the right words", ["right", ""]) == "the right words", "short words are no secrets"


def test_an_error_loses_what_is_known_to_be_a_secret() -> None:
    error = Refused(what="it is pa55word-1", left="left pa55word-1", todo="todo pa55word-1 {resume}")
    hide(error, ["pa55word-1"])
    assert "pa55word" not in error.paragraph() + str(error) + repr(error.values)


def test_a_field_with_the_name_or_the_form_of_a_secret_loses_its_whole_value() -> None:
    item = {"spec": {"tls": {"key": "x", "certificate": "public"}, "host": "a.example", "ports": [1, "http"]}}
    assert hiding.without_secret_fields(item) == {
        "spec": {"tls": {"key": "(hidden)", "certificate": "public"}, "host": "a.example", "ports": [1, "http"]}
    }
    for name, text in (("a", KEY), ("api-token", "x"), ("dbPassword", "x"), ("clientSecret", "x"), ("b", SHAPES[0])):
        assert hiding.without_secret_fields({"annotations": {name: text}}) == {"annotations": {name: "(hidden)"}}
    assert hiding.texts_in(item) == {"x", "public", "a.example", "http"}


def test_what_an_undo_writes_back_is_kept_exactly_and_nothing_else() -> None:
    proxy = "http://user:pa55word@proxy.example"
    assert Key("a", str).remember(proxy).value == "http://(hidden)@proxy.example"
    assert Key("a", str, exact=True).remember(proxy).value == proxy
