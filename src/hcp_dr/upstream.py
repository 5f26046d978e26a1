"""Upstream names of namespaces, Deployments, Secrets, annotations, labels, finalizers and conditions, each with its
place in the upstream source. Kinds and their versions are in kube/resources.py.

HS is openshift/hypershift at 3ee9615567; in it, HCc is hypershift-operator/controllers/hostedcluster/
hostedcluster_controller.go, NP/ hypershift-operator/controllers/nodepool/, API/ api/hypershift/v1beta1/, and v2/ the
folder control-plane-operator/controllers/hostedcontrolplane/v2/. CAPI is kubernetes-sigs/cluster-api.
"""

from __future__ import annotations

# Namespaces.
OPERATOR_NAMESPACE = "hypershift"  # HS cmd/install/assets/hypershift_operator.go:2148
KUBE_SYSTEM = "kube-system"
NODE_LEASES_NAMESPACE = "kube-node-lease"  # kubernetes: NamespaceNodeLease
INGRESS_NAMESPACES = ("openshift-ingress", "openshift-ingress-operator")
"""HS .../hostedcontrolplane/manifests/ingress.go:99,18; they contain roles of each control plane (HCc:3758)."""
DASHBOARDS_NAMESPACE = "openshift-config-managed"  # with the operator's dashboard for each hosted cluster: HCc:2338
OVN_NAMESPACE = "openshift-ovn-kubernetes"  # in the hosted cluster: HS test/e2e/util/util.go:2196

# Deployments of the operator's namespace.
OPERATOR = "operator"  # HS cmd/install/assets/hypershift_operator.go:123
OPERATOR_LEASE = "hypershift-operator-leader-elect"
"""Of the operator's leader, for 60 seconds, renewed every 15 (HS hypershift-operator/main.go: LeaderElectionID)."""
EXTERNAL_DNS = "external-dns"  # HS cmd/install/assets/hypershift_operator.go:124
SUPPORTED_VERSIONS = "supported-versions"
"""A ConfigMap of the operator's namespace (HS
hypershift-operator/controllers/manifests/supportedversion/configmap.go:12)."""

# Deployments and StatefulSets of a control plane namespace.
CONTROL_PLANE_OPERATOR = "control-plane-operator"  # HS hypershift-operator/controllers/manifests/controlplaneoperator
CONTROL_PLANE_PKI_OPERATOR = "control-plane-pki-operator"  # HS .../hostedcontrolplane/manifests/pkioperator.go:14
CLUSTER_API = "cluster-api"  # v2/capi_manager/component.go:9
CAPI_PROVIDER = "capi-provider"  # v2/capi_provider/component.go:13
AWS_NODE_TERMINATION_HANDLER = "aws-node-termination-handler"  # v2/awsnodeterminationhandler/component.go:15
CLUSTER_AUTOSCALER = "cluster-autoscaler"  # v2/autoscaler/component.go:17
KARPENTER = "karpenter"  # v2/karpenter/component.go:18
KARPENTER_OPERATOR = "karpenter-operator"  # v2/karpenteroperator/component.go:15
KUBE_APISERVER = "kube-apiserver"  # v2/kas/component.go:14
OPENSHIFT_APISERVER = "openshift-apiserver"  # v2/oapi/component.go:10
OPENSHIFT_OAUTH_APISERVER = "openshift-oauth-apiserver"  # v2/oauth_apiserver/component.go:14
ETCD = "etcd"
"""The StatefulSet, and the container of its pods (v2/etcd/component.go:9, v2/etcd/statefulset.go:169)."""
COMPONENTS = (
    *(CONTROL_PLANE_OPERATOR, CONTROL_PLANE_PKI_OPERATOR, CLUSTER_API, CAPI_PROVIDER, CLUSTER_AUTOSCALER),
    *(
        AWS_NODE_TERMINATION_HANDLER,
        KARPENTER,
        KARPENTER_OPERATOR,
        KUBE_APISERVER,
        OPENSHIFT_APISERVER,
        OPENSHIFT_OAUTH_APISERVER,
        ETCD,
    ),
)
"""The Deployments and StatefulSets above."""
ETCD_INIT = "etcd-init"  # an init container of etcd's pods: v2/etcd/statefulset.go:161

# Secrets and ConfigMaps of a control plane namespace.
SIGNING_KEY = "sa-signing-key"  # HS .../hostedcontrolplane/manifests/pki.go:287
AUTHORITIES = ("root-ca", "etcd-signer")  # HS .../hostedcontrolplane/manifests/pki.go:21,190
ANCHORS = (*AUTHORITIES, SIGNING_KEY)
"""If a Secret of these is missing on the destination, the control plane operator creates a new Secret, and clients no
longer trust the cluster (HS support/certs/tls.go:450-454, .../hostedcontrolplane/pki/ca.go:13-16)."""
CONTROL_PLANE_INPUTS = (
    *("pull-secret", "ssh-key", "user-ca-bundle", "node-management-creds", "control-plane-operator-creds"),
    *("cloud-controller-creds", "cloud-network-config-controller-creds", "ebs-cloud-credentials", "kms-creds"),
    *ANCHORS,
)
"""Secrets and ConfigMaps that the HyperShift operator creates from the HostedCluster's spec, with or without an owner
(HCc, and HS hypershift-operator/controllers/hostedcluster/internal/platform/aws/aws.go)."""
MADE_IN_EVERY_NAMESPACE = ("kube-root-ca.crt", "openshift-service-ca.crt")
"""ConfigMaps, by the kube-controller-manager (kubernetes: RootCACertConfigMapName) and OpenShift's service CA
operator."""

# Annotations and labels with the owner of an object.
NODE_POOL_ANNOTATION = "hypershift.openshift.io/nodePool"  # API/nodepool_types.go:23
CLUSTER_ANNOTATION = "hypershift.openshift.io/cluster"
"""An annotation of objects (HS support/k8sutil/constants.go:14), and the label and taint of a node that is dedicated to
a hosted cluster (HS hypershift-operator/controllers/scheduler/aws/dedicated_request_serving_nodes.go:42)."""
CONTROL_PLANE_NODE_LABEL = "hypershift.openshift.io/control-plane"  # .../dedicated_request_serving_nodes.go:40
TAKEN_NODE_LABELS = (CLUSTER_ANNOTATION, f"{CLUSTER_ANNOTATION}-namespace", f"{CLUSTER_ANNOTATION}-name")
"""Labels of a node that is dedicated to a hosted cluster (.../dedicated_request_serving_nodes.go:42-47)."""
CLUSTER_NAME_LABEL = "cluster.x-k8s.io/cluster-name"  # CAPI api/core/v1beta1/common_types.go: ClusterNameLabel
OWNER_NAMESPACE_LABEL = "hypershift.openshift.io/owner.namespace"
OWNER_NAME_LABEL = "hypershift.openshift.io/owner.name"
"""Labels of cluster roles (HS hypershift-operator/controllers/manifests/controlplanepkioperator/manifests.go:16-17)."""
REFERENCED_RESOURCE_PREFIX = "referenced-resource.hypershift.openshift.io/"  # HCc:152
CORE_IGNITION_CONFIG_LABEL = "hypershift.openshift.io/core-ignition-config"  # NP/nodepool_controller.go:85
NTO_GENERATED_CONFIG_LABEL = "hypershift.openshift.io/nto-generated-machine-config"  # NP/nodepool_controller.go:89

# Annotations with an effect on controllers.
PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"  # CAPI api/core/v1beta1/common_types.go: PausedAnnotation
HOSTNAME_ANNOTATION = "external-dns.alpha.kubernetes.io/hostname"  # API/hostedcluster_types.go:165
CLEANUP_CLOUD_RESOURCES = "hypershift.openshift.io/cleanup-cloud-resources"
"""The deletion of a HostedControlPlane with this annotation also removes the security group's rules and more, paused or
not (rule E4). The annotation applies to a deletion: it is set at most on the source's copy, and never carried
(API/hostedcluster_types.go:187)."""
RESTORED_FROM_BACKUP = "hypershift.openshift.io/restored-from-backup"
"""On a HostedCluster: the hosted-cluster-config-operator (4.20 and later) deletes every PersistentVolumeClaim of
openshift-monitoring in the hosted cluster if Prometheus is not fully available (rule A11). An earlier restore may have
set the annotation; hcp-dr never sets and never carries it (API/hostedcluster_types.go:441)."""
CLUSTER_SCHEDULED = "hypershift.openshift.io/cluster-scheduled"  # API/hostedcluster_types.go:254
LOAD_BALANCER_SUBNETS = "hypershift.openshift.io/aws-load-balancer-subnets"  # API/hostedcluster_types.go:309
LOAD_BALANCER_NODES = "hypershift.openshift.io/aws-load-balancer-target-node-labels"  # API/hostedcluster_types.go:313
API_SERVER_MEMORY = "hypershift.openshift.io/kube-apiserver-gomemlimit"  # API/hostedcluster_types.go:295
REQUEST_SERVING_SELECTOR = "hypershift.openshift.io/request-serving-node-additional-selector"
"""API/hostedcluster_types.go:262."""
HOSTED_CLUSTER_SIZE = "hypershift.openshift.io/hosted-cluster-size"
"""A label by the sizing controller of the management cluster (API/hostedcluster_types.go: HostedClusterSizeLabel)."""
RESOURCE_REQUEST_PREFIX = "resource-request-override.hypershift.openshift.io/"
"""Annotations by an administrator, or by the scheduler from the sizes of its management cluster
(API/hostedcluster_types.go: ResourceRequestOverrideAnnotationPrefix)."""
RESTART_DATE = "hypershift.openshift.io/restart-date"  # API/hostedcluster_types.go:67
HAS_BEEN_AVAILABLE = "hypershift.openshift.io/HasBeenAvailable"  # HS .../hostedcluster/metrics/metrics.go:29
CONTROL_PLANE_OPERATOR_IMAGE = "hypershift.openshift.io/control-plane-operator-image"
"""On a HostedCluster: overrides the control plane operator of its release (API/hostedcluster_types.go:59)."""
HAPROXY_IMAGE = "hypershift.openshift.io/haproxy-image"  # API/hostedcluster_types.go:56
CANONICAL_IMAGES = "hypershift.openshift.io/canonical-data-plane-images"
"""The operator sets this on a NodePool without status.version, paused or not, and so changes the NodePool's hash (rule
A8; NP/nodepool_controller.go:84,1191-1202)."""
CURRENT_CONFIG = "hypershift.openshift.io/nodePoolCurrentConfig"  # NP/nodepool_controller.go:67
CURRENT_CONFIG_VERSION = "hypershift.openshift.io/nodePoolCurrentConfigVersion"  # NP/nodepool_controller.go:68
IGNITION_REACHED = "hypershift.openshift.io/ignition-reached"
"""On a token secret; its value is "True", and the operator checks only its presence (NP/token.go:47)."""
IGNITION_CONFIG = "hypershift.openshift.io/ignition-config"  # NP/token.go:46
IGNITION_EXPIRES = "hypershift.openshift.io/ignition-token-expiration-timestamp"  # API/nodepool_types.go:27
NOT_BY_ADDON = "hypershift.open-cluster-management.io/not-by-mce"
"""With this ACM's add-on does not manage the operator (stolostron/hypershift-addon-operator)."""
ADDON = ("hypershift-addon-agent", "open-cluster-management-agent-addon")
"""Name and namespace of the Deployment of ACM's add-on."""
PAUSED_BY = "oadp.openshift.io/paused-by"  # openshift/hypershift-oadp-plugin

# Field managers.
CLI_MANAGERS = ("hypershift", "hypershift-cli")
"""HyperShift's command line, which applies an object once (HS cmd/install/install.go: FieldOwner)."""
CONTROLLER_MANAGERS = (
    *("hypershift-operator-manager", "hypershift-controlplane-manager"),
    *("hypershift-operator", "control-plane-operator", "kube-controller-manager"),
)
"""The user agents of the two operators (HS hypershift-operator/main.go, control-plane-operator/main.go: UserAgent),
their programs' names, and Kubernetes' own controllers: they leave a pause and a deletion of the HostedCluster alone."""

# Finalizers.
OIDC_FINALIZER = "hypershift.io/aws-oidc-discovery"  # HCc:4897
ENDPOINT_FINALIZERS = (
    "hypershift.openshift.io/control-plane-operator-finalizer",
    "hypershift.openshift.io/hypershift-operator-finalizer",
)
"""Finalizers of an AWSEndpointService (HS
control-plane-operator/controllers/awsprivatelink/awsprivatelink_controller.go:222,
hypershift-operator/controllers/platform/aws/controller.go:54)."""

# Conditions.
AVAILABLE = "Available"  # API/hostedcluster_conditions.go:12
RECONCILIATION_ACTIVE = "ReconciliationActive"  # API/hostedcluster_conditions.go:197
VALID_AWS_IDENTITY_PROVIDER = "ValidAWSIdentityProvider"  # API/hostedcluster_conditions.go:157
VALID_OIDC_CONFIGURATION = "ValidOIDCConfiguration"  # API/hostedcluster_conditions.go:102
ETCD_ENCRYPTION_UP_TO_DATE = "EtcdDataEncryptionUpToDate"
"""Absent before 4.22, and without encryption (API/hostedcluster_conditions.go, set by HS
control-plane-operator/hostedclusterconfigoperator/controllers/reencryption/reencryption.go)."""
REACHED_IGNITION_ENDPOINT = "ReachedIgnitionEndpoint"  # API/nodepool_conditions.go:73
UPDATING_CONFIG = "UpdatingConfig"  # API/nodepool_conditions.go:47
UPDATING_VERSION = "UpdatingVersion"  # API/nodepool_conditions.go:45
UPDATING_MACHINE_TEMPLATE = "UpdatingPlatformMachineTemplate"  # API/nodepool_conditions.go:49

# Other names.
USUAL_GRACE = 30  # seconds: kubernetes: DefaultTerminationGracePeriodSeconds
OADP_RECOVERY = "oadp-recovery"
"""A job that removes the pauses of a failed backup (HS contrib/oadp-recovery/manifests/rbac-cronjob.yaml:4)."""
LOCAL_DOMAIN = ".hypershift.local"  # the zone of a private cluster: HS cmd/infra/aws/create.go:96
INSTANCE_TAGS = ("kubernetes.io/cluster/", "sigs.k8s.io/cluster-api-provider-aws/cluster/")
"""Followed by the infraID (API/hostedcluster_types.go:576; kubernetes-sigs/cluster-api-provider-aws:
NameAWSProviderOwned)."""
