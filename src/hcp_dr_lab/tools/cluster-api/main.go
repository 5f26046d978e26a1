// The AWS provider of Cluster API, made of its own packages: the controllers that HyperShift uses, without those of EKS,
// ROSA and machine pools, which HyperShift turns off with --feature-gates. The flags are a part of the provider's.
package main

import (
	"flag"
	"os"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	cgscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/component-base/logs"
	logsv1 "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	infrav1 "sigs.k8s.io/cluster-api-provider-aws/v2/api/v1beta2"
	"sigs.k8s.io/cluster-api-provider-aws/v2/controllers"
	"sigs.k8s.io/cluster-api-provider-aws/v2/feature"
	"sigs.k8s.io/cluster-api-provider-aws/v2/pkg/cloud/endpoints"
	"sigs.k8s.io/cluster-api-provider-aws/v2/pkg/record"
	"sigs.k8s.io/cluster-api-provider-aws/v2/webhooks"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

var (
	namespace        = pflag.String("namespace", "", "the only namespace with objects to reconcile")
	healthAddress    = pflag.String("health-addr", ":9440", "address of /healthz and /readyz")
	metricsAddress   = pflag.String("diagnostics-address", "0", "address of /metrics, without TLS; 0 for none")
	serviceEndpoints = pflag.String("service-endpoints", "", "AWS endpoints: region:service=URL,service=URL;...")
	webhookPort      = pflag.Int("webhook-port", 9443, "port of the webhooks")
	webhookCertDir   = pflag.String("webhook-cert-dir", "", "folder with tls.crt and tls.key")
	leaderElect      = pflag.Bool("leader-elect", false, "act only while holding the Lease")
	leaseDuration    = pflag.Duration("leader-elect-lease-duration", 15*time.Second, "duration of the Lease")
	renewDeadline    = pflag.Duration("leader-elect-renew-deadline", 10*time.Second, "limit for renewing the Lease")
	retryPeriod      = pflag.Duration("leader-elect-retry-period", 2*time.Second, "pause between tries for the Lease")
	syncPeriod       = pflag.Duration("sync-period", 10*time.Minute, "period in which every object is reconciled")
)

type part interface{ SetupWebhookWithManager(ctrl.Manager) error }

func main() {
	options := logs.NewOptions()
	logs.AddFlags(pflag.CommandLine, logs.SkipLoggingConfigurationFlags())
	logsv1.AddFlags(options, pflag.CommandLine)
	feature.MutableGates.AddFlag(pflag.CommandLine)
	pflag.CommandLine.AddGoFlagSet(flag.CommandLine)
	pflag.Parse()
	must("apply the log options", logsv1.ValidateAndApply(options, nil))
	ctrl.SetLogger(klog.Background())
	must("read --service-endpoints", endpoints.ParseFlag(*serviceEndpoints))

	ctx := ctrl.SetupSignalHandler()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{cgscheme.AddToScheme, clusterv1.AddToScheme, infrav1.AddToScheme} {
		must("register the kinds", add(scheme))
	}
	cached := cache.Options{SyncPeriod: syncPeriod}
	if *namespace != "" {
		cached.DefaultNamespaces = map[string]cache.Config{*namespace: {}}
	}
	config := ctrl.GetConfigOrDie()
	config.UserAgent = "cluster-api-provider-aws-controller"
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cached,
		Metrics:                server.Options{BindAddress: *metricsAddress},
		HealthProbeBindAddress: *healthAddress,
		WebhookServer:          webhook.NewServer(webhook.Options{Port: *webhookPort, CertDir: *webhookCertDir}),
		LeaderElection:         *leaderElect,
		LeaderElectionID:       "controller-leader-elect-capa",
		LeaseDuration:          leaseDuration,
		RenewDeadline:          renewDeadline,
		RetryPeriod:            retryPeriod,
	})
	must("create the manager", err)
	record.InitFromRecorder(manager.GetEventRecorderFor("aws-controller"))

	recovering := true
	machines := controller.Options{MaxConcurrentReconciles: 10, RecoverPanic: &recovering}
	clusters := controller.Options{MaxConcurrentReconciles: 5, RecoverPanic: &recovering}
	must("start the controller of AWSMachines", (&controllers.AWSMachineReconciler{
		Client:   manager.GetClient(),
		Log:      ctrl.Log.WithName("controllers").WithName("AWSMachine"),
		Recorder: manager.GetEventRecorderFor("awsmachine-controller"),
	}).SetupWithManager(ctx, manager, machines))
	must("start the controller of AWSClusters", (&controllers.AWSClusterReconciler{
		Client:   manager.GetClient(),
		Recorder: manager.GetEventRecorderFor("awscluster-controller"),
	}).SetupWithManager(ctx, manager, clusters))
	must("start the controller of AWSMachineTemplates", (&controllers.AWSMachineTemplateReconciler{
		Client: manager.GetClient(),
	}).SetupWithManager(ctx, manager, clusters))
	for _, each := range []part{&webhooks.AWSMachineTemplate{}, &webhooks.AWSCluster{}, &webhooks.AWSMachine{}} {
		must("serve the webhooks", each.SetupWebhookWithManager(manager))
	}
	must("serve /readyz", manager.AddReadyzCheck("webhook", manager.GetWebhookServer().StartedChecker()))
	must("serve /healthz", manager.AddHealthzCheck("webhook", manager.GetWebhookServer().StartedChecker()))
	must("run", manager.Start(ctx))
}

func must(what string, err error) {
	if err != nil {
		klog.Background().Error(err, "cannot "+what)
		os.Exit(1)
	}
}
