"""The kinds of object that the product reads or writes, each with its API version."""

from __future__ import annotations

from hcp_dr.kube.port import Resource

NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
SECRET = Resource("", "v1", "secrets", "Secret")
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
POD = Resource("", "v1", "pods", "Pod")
NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
SERVICE = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PERSISTENT_VOLUME_CLAIM = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
PERSISTENT_VOLUME = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
STORAGE_CLASS = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
RESOURCE_QUOTA = Resource("", "v1", "resourcequotas", "ResourceQuota")
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")

DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SET = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SET = Resource("apps", "v1", "daemonsets", "DaemonSet")

ROLE = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)

ROUTE = Resource("route.openshift.io", "v1", "routes", "Route")
CLUSTER_VERSION = Resource("config.openshift.io", "v1", "clusterversions", "ClusterVersion", namespaced=False)

HOSTED_CLUSTER = Resource("hypershift.openshift.io", "v1beta1", "hostedclusters", "HostedCluster")
NODE_POOL = Resource("hypershift.openshift.io", "v1beta1", "nodepools", "NodePool")
HOSTED_CONTROL_PLANE = Resource("hypershift.openshift.io", "v1beta1", "hostedcontrolplanes", "HostedControlPlane")
AWS_ENDPOINT_SERVICE = Resource("hypershift.openshift.io", "v1beta1", "awsendpointservices", "AWSEndpointService")

CLUSTER = Resource("cluster.x-k8s.io", "v1beta2", "clusters", "Cluster")
MACHINE_DEPLOYMENT = Resource("cluster.x-k8s.io", "v1beta2", "machinedeployments", "MachineDeployment")
MACHINE_SET = Resource("cluster.x-k8s.io", "v1beta2", "machinesets", "MachineSet")
MACHINE = Resource("cluster.x-k8s.io", "v1beta2", "machines", "Machine")
MACHINE_HEALTH_CHECK = Resource("cluster.x-k8s.io", "v1beta2", "machinehealthchecks", "MachineHealthCheck")
AWS_CLUSTER = Resource("infrastructure.cluster.x-k8s.io", "v1beta2", "awsclusters", "AWSCluster")
AWS_MACHINE = Resource("infrastructure.cluster.x-k8s.io", "v1beta2", "awsmachines", "AWSMachine")
AWS_MACHINE_TEMPLATE = Resource(
    "infrastructure.cluster.x-k8s.io", "v1beta2", "awsmachinetemplates", "AWSMachineTemplate"
)

VALIDATING_WEBHOOK_CONFIGURATION = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
MUTATING_WEBHOOK_CONFIGURATION = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)
CRON_JOB = Resource("batch", "v1", "cronjobs", "CronJob")
APPLIED_MANIFEST_WORK = Resource(
    "work.open-cluster-management.io", "v1", "appliedmanifestworks", "AppliedManifestWork", namespaced=False
)
KLUSTERLET = Resource("operator.open-cluster-management.io", "v1", "klusterlets", "Klusterlet", namespaced=False)
