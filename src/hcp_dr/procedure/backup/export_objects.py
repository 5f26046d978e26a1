"""Writes all carried objects into the backup folder, in the documented layout, with a manifest. The export needs no
downtime, so the step comes before the fence; `export_again` exports once more after the fence."""

from __future__ import annotations

from hcp_dr.engine.step import Step
from hcp_dr.hypershift.export import afterwards, observe, plan

STEP = Step(name="backup.export_objects", documented="8.6.2-4", observe=observe, plan=plan, afterwards=afterwards)
