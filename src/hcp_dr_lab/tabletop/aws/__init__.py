"""AWS in memory: `Storage` is S3, `Records` Route53, `Machines` EC2; the Memory ports implement the product's ports.

Clocks and randomness are injected, and everything clones in microseconds. The other parts of the cloud (OIDC
documents, security groups, private connections) are in `standin.fabric`.
"""

from hcp_dr_lab.tabletop.aws.machines import Machine, Machines, Pace
from hcp_dr_lab.tabletop.aws.ports import Interfere, MemoryBucket, MemoryIdentity, MemoryInstances, MemoryZone
from hcp_dr_lab.tabletop.aws.records import REQUESTS_PER_SECOND, Records, Zone
from hcp_dr_lab.tabletop.aws.refusal import Refusal, Silence
from hcp_dr_lab.tabletop.aws.signing import Keys
from hcp_dr_lab.tabletop.aws.storage import Answer, Storage, Stored, Wanted

__all__ = [
    "REQUESTS_PER_SECOND",
    "Answer",
    "Interfere",
    "Keys",
    "Machine",
    "Machines",
    "MemoryBucket",
    "MemoryIdentity",
    "MemoryInstances",
    "MemoryZone",
    "Pace",
    "Records",
    "Refusal",
    "Silence",
    "Storage",
    "Stored",
    "Wanted",
    "Zone",
]
