"""Whether an online backup may be taken now."""

from __future__ import annotations

from hcp_dr.aws.port import Bucket
from hcp_dr.engine.journal import ABORT
from hcp_dr.engine.mirror import newest
from hcp_dr.errors import Unfinished
from hcp_dr.model import Case


def must_be_alone(bucket: Bucket, case: Case) -> None:
    """A relocation that was stopped will go on, and its nonce must be in the hosted cluster then. An online backup that
    was killed leaves nothing that another one does not take away. Raises Unfinished, AwsError."""
    found = newest(bucket, case.namespace, case.name)
    if found is None or found.story.ended:
        return
    story = found.story
    command = str(story.command or ABORT)
    if command == "backup --online":
        return
    raise Unfinished(
        path=found.prefix,
        folder=f"s3://{bucket.name}/{found.prefix}",
        command=command,
        step=story.current or "?",
        todo="Go on with `hcp-dr resume`, or call it off with `hcp-dr abort`; an online backup would write over its "
        "mark in the hosted cluster.",
    )
