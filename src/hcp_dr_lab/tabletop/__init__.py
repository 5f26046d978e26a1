"""The rehearsal without processes: the region in memory, behind the ports of the product, with a clock that jumps.

kubernetes/  aws/    API servers, S3, Route53 and EC2 in memory
clock.py             time, and whoever acts by himself in it
cluster.py           a management cluster: its API, and what acts in it
  controllers.py       kube-controller-manager and scheduler: workloads to pods, Services to endpoints, volumes
  kubelet.py           pods to containers; containers.py, shell/: what runs in them, commands and scripts
  operators.py         the host of the stand-in's roles (hcp_dr_lab.standin)
  external_dns.py      Routes and Services to records
etcd.py              hosted etcd: members, clusters, snapshots; hosted_api.py: a hosted kube-apiserver over it
names.py             the resolver, routers and load balancers: from a name to who answers
workers.py           instances to machines with kubelets of the hosted cluster
keys.py              real certificates, made once in a process
world.py             all of it together; World.prepared gives a region of a shape, clone() copies one
gate.py              through which the product asks, and where tests interfere
operator.py          runs the product's procedure, as its commands do
"""
