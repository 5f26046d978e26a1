"""The rehearsal without processes: the region in memory, behind the ports of the product, with a clock that jumps.

kubernetes/  aws/    API servers, S3, Route53 and EC2 in memory
clock.py time, and parts that act by themselves cluster.py           a management cluster: its API, and its active parts
  controllers.py       kube-controller-manager and scheduler: workloads to pods, Services to endpoints, volumes
  kubelet.py pods to containers; containers.py, shell/: programs, commands and scripts in them operators.py the host of
  the stand-in's roles (hcp_dr_lab.standin) external_dns.py Routes and Services to records etcd.py hosted etcd: members,
  clusters, snapshots; hosted_api.py: a hosted kube-apiserver over it names.py the resolver, routers and load balancers:
  from a name to a server workers.py instances to machines with kubelets of the hosted cluster keys.py real
  certificates, created once in a process world.py all together; World.prepared returns a region of a shape, clone()
  copies a region gate.py the product's access to the world, and the place where tests interfere operator.py runs the
  product's procedure like the product's commands
"""
