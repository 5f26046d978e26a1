"""A Kubernetes API in memory: `Store` is etcd, `ApiServer` serves it, `Client` is the product's port.

`collect` simulates the garbage collector and the namespace controller; the clock's owner calls it.
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
