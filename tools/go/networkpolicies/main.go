// Command network-policies gives a verdict on the first packet of each connection of the development node's pods, by
// the cluster's NetworkPolicies. It is the controller of kube-network-policies with a kubeconfig, and without rules of
// its own for nftables: those need a kernel with NFT_QUEUE, where the node's iptables rules do not.
package main

import (
	"context"
	"flag"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "access to the cluster")
	node := flag.String("node", "", "name of this node")
	queue := flag.Int("queue", 100, "number of the netfilter queue")
	flag.Parse()
	if err := run(*kubeconfig, *node, *queue); err != nil {
		klog.Fatal(err)
	}
}

func run(kubeconfig, node string, queue int) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	access, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	config := networkpolicy.Config{FailOpen: true, QueueID: queue, NodeName: node}
	controller, err := networkpolicy.NewController(
		client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(),
		nil, nil, nil, nil,
		config,
	)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
