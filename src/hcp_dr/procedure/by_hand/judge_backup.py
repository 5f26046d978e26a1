"""Can a backup made with the documented commands be restored? Reads the folder, the source, the bucket and EC2, and
reports all missing or wrong parts before any write."""

from __future__ import annotations

from hcp_dr.engine.step import Step
from hcp_dr.hypershift.manual_backup.judgement import afterwards, observe, plan

STEP = Step(
    name="by_hand.judge_backup",
    documented="8.6.2 verification",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
)
