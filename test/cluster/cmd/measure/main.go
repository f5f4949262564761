// Command measure measures the deployed functions on the lab, each beside a hello-world function in the same run.
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
	"strings"
	"syscall"
	"time"

	"github.com/opitios-ai/alpaca-knative/test/cluster/lab"
	"github.com/opitios-ai/alpaca-knative/test/cluster/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	state := flags.String("state", "/var/tmp/opitios-cluster", "the folder of the lab")
	runs := flags.Int("runs", 20, "cold starts of each kind")
	only := flags.String("only", "cold,event,throughput,burst,memory", "what to measure")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	l, err := lab.New(*state, ".", io.Discard)
	if err != nil {
		return err
	}
	b := &measure.Bench{Kubectl: []string{l.Kubectl(), "--kubeconfig=" + l.Kubeconfig()}, NodeLog: l.ContainerdLog(), Runs: *runs, Output: os.Stdout}
	if err := hello(ctx, l, b); err != nil {
		return err
	}
	if err := b.Open(ctx); err != nil {
		return err
	}
	defer func() { _ = b.Close(context.WithoutCancel(ctx)) }() // it goes with the namespace, too
	steps := map[string]func(context.Context) error{
		"cold": b.ColdStarts, "event": b.ColdEvents, "throughput": b.Throughput, "burst": b.OpenBurst, "memory": b.Memory,
	}
	for name := range strings.SplitSeq(*only, ",") {
		step, ok := steps[name]
		if !ok {
			return fmt.Errorf("-only: there is nothing to measure called %q", name)
		}
		begun := time.Now()
		if err := step(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("(%s took %s)\n", name, time.Since(begun).Round(time.Second))
	}
	return nil
}

// hello builds the peer's image as the lab builds its own, and leaves its name where Open looks for it.
func hello(ctx context.Context, l *lab.Lab, b *measure.Bench) error {
	binary := filepath.Join(l.State, "bin", "hello")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./measure/hello")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("hello: %w: %s", err, out)
	}
	name, err := l.ImportProgram(ctx, "hello", binary)
	if err != nil {
		return err
	}
	apply := exec.CommandContext(ctx, b.Kubectl[0], append(b.Kubectl[1:], "apply", "-f", "-")...)
	apply.Stdin = strings.NewReader(fmt.Sprintf(
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: measure, namespace: %s}\ndata: {hello: %q}\n", measure.Namespace, name))
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
