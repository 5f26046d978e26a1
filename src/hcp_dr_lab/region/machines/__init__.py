"""Machines: nested namespaces with containerd and kubelet, their initial disks, and the hypervisor for workers."""
