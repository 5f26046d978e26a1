"""A Kubernetes API in memory: `Store` is its etcd, `ApiServer` answers over it, `Client` is the product's port to it.

`collect` plays the garbage collector and the namespace controller; whoever owns the clock calls it.
"""

from hcp_dr_lab.tabletop.kubernetes.client import Client
from hcp_dr_lab.tabletop.kubernetes.collector import collect
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal, Unanswered
from hcp_dr_lab.tabletop.kubernetes.server import ApiServer, Command
from hcp_dr_lab.tabletop.kubernetes.store import CorruptSnapshot, Entry, Key, Store, Summary, summary

__all__ = [
    "ApiServer",
    "Client",
    "Command",
    "CorruptSnapshot",
    "Entry",
    "Key",
    "Refusal",
    "Store",
    "Summary",
    "Unanswered",
    "collect",
    "summary",
]
