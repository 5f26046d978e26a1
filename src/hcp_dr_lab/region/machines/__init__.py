"""Machines: nested namespaces with containerd and kubelet, the disks they start from, and who keeps workers alive."""
