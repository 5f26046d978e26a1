"""What is hidden in a text, and what stays to be read."""

from __future__ import annotations

import base64

import pytest

from hcp_dr import hiding
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.progress import Progress
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
