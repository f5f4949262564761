// Command cluster brings a real Kubernetes with Knative up on this machine and takes it down again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/opitios-ai/alpaca-knative/test/cluster/lab"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

var errVerb = errors.New("want, after the options, build, up, down, purge, import FILE... or supervise")

func run(arguments []string) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	state := flags.String("state", "/var/tmp/opitios-cluster", "the folder of everything the cluster is made of")
	source := flags.String("source", ".", "the folder test/cluster of the repository")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 1 && flags.Arg(0) != "import" { // an option behind the verb would be left unread
		return errVerb
	}
	l, err := lab.New(*state, *source, os.Stdout)
	if err != nil {
		return err
	}
	verb := flags.Arg(0)
	if verb == "supervise" { // it handles its signals itself
		return l.Supervise(context.Background())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	switch verb {
	case "build":
		return l.Build(ctx)
	case "up":
		return l.Up(ctx)
	case "down":
		return l.Down(ctx, false)
	case "purge":
		return l.Down(ctx, true)
	case "import":
		for _, archive := range flags.Args()[1:] {
			if err := l.Import(ctx, archive); err != nil {
				return err
			}
		}
		return nil
	default:
		return errVerb
	}
}
