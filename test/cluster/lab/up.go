package lab

import (
	"context"
	"os"
)

// Up brings the cluster up from whatever is there: nothing, an interrupted attempt, or a running one, to which it
// applies what has changed.
func (l *Lab) Up(ctx context.Context) error {
	if err := l.Build(ctx); err != nil {
		return err
	}
	l.say("write   images and manifests")
	if err := l.writeImages(ctx); err != nil {
		return err
	}
	if err := l.writeManifests(ctx); err != nil {
		return err
	}
	l.say("start   the node")
	if err := l.startSupervisor(ctx); err != nil {
		return err
	}
	l.say("import  images")
	if err := l.importImages(ctx); err != nil {
		return err
	}
	if err := l.install(ctx); err != nil {
		return err
	}
	l.say("up      export KUBECONFIG=%s", l.Kubeconfig())
	return nil
}

// Build installs what is missing and makes every executable, and starts nothing.
func (l *Lab) Build(ctx context.Context) error {
	if err := l.require(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(l.State, 0o755); err != nil {
		return err
	}
	return l.build(ctx)
}

// Running reports whether this lab's node is up.
func (l *Lab) Running() bool {
	_, err := os.Stat(l.path("ready"))
	return err == nil && l.supervisor() != 0
}
