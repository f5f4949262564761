// Command deploy builds the images and applies an overlay to the lab, or to the cluster that KUBECONFIG names.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/opitios-ai/alpaca-knative/test/cluster/deploy"
	"github.com/opitios-ai/alpaca-knative/test/cluster/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("deploy", flag.ContinueOnError)
	state := flags.String("state", "/var/tmp/opitios-cluster", "the folder of the lab")
	overlay := flags.String("overlay", "local-cluster", "the folder below knative/overlays")
	kustomize := flags.String("kustomize", "kustomize", "the program")
	ko := flags.String("ko", "ko", "the program")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	repository, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	l, err := lab.New(*state, ".", io.Discard)
	if err != nil {
		return err
	}
	d := deploy.Deployment{
		Repository: repository, Overlay: *overlay, Kustomize: *kustomize, Ko: *ko, Kubectl: "kubectl",
		Kubeconfig: os.Getenv("KUBECONFIG"), Registry: os.Getenv("KO_DOCKER_REPO"), Output: os.Stdout,
		Archive: filepath.Join(l.State, "product.tar"),
	}
	// The lab, unless another cluster is named.
	if l.Running() && (d.Kubeconfig == "" || d.Kubeconfig == l.Kubeconfig()) {
		d.Kubeconfig, d.Kubectl, d.Node, d.Registry = l.Kubeconfig(), l.Kubectl(), l, ""
	} else if _, err := exec.LookPath(d.Kubectl); err != nil {
		return err
	}
	return d.Run(ctx)
}
