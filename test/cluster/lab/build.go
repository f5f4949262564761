package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// program is one executable, or several of one folder, made by one go build.
type program struct {
	// module is the folder below build/ that has the go.mod.
	module string
	// output is below bin/; with a trailing slash a folder that gets every package's own name.
	output   string
	packages []string
	// link are more flags for the linker.
	link string
	// what is said before it is built, with the time it took on two idle cores with nothing in the caches.
	what string
}

func programs() []program {
	const serving, eventing = "knative.dev/serving/cmd/", "knative.dev/eventing/cmd/"
	return []program{
		{
			module: "kube", output: "kube", packages: []string{"."}, link: kubernetesLink(),
			what: "Kubernetes " + kubernetesVersion + ": six programs in one executable (4 min)",
		},
		{
			module: "knative", output: "serving/", what: "Knative Serving " + knativeVersion + " (2 min)",
			packages: []string{
				serving + "activator", serving + "autoscaler", serving + "controller", serving + "queue", serving + "webhook",
			},
		},
		{
			module: "knative", output: "eventing/", what: "Knative Eventing " + knativeVersion + " (30 s)",
			packages: []string{
				eventing + "broker/filter", eventing + "broker/ingress", eventing + "controller", eventing + "in_memory/channel_controller",
				eventing + "in_memory/channel_dispatcher", eventing + "mtchannel_broker", eventing + "mtping", eventing + "webhook",
			},
		},
		{module: "dns", output: "coredns", packages: []string{"."}, what: "CoreDNS (40 s)"},
		{
			module: "traefik", output: "traefik", packages: []string{"github.com/traefik/traefik/v3/cmd/traefik"},
			what: "Traefik (3 min)",
		},
		{module: "pause", output: "pause", packages: []string{"."}, what: "the pods' pause program"},
	}
}

// kubernetesLink says which Kubernetes it is, as its own build does: Knative refuses one that does not know its version.
func kubernetesLink() string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	const set = " -X k8s.io/component-base/version."
	return set + "gitVersion=" + kubernetesVersion + set + "gitMajor=" + major + set + "gitMinor=" + minor +
		set + "gitCommit=module" + set + "gitTreeState=clean"
}

// kubePrograms are the names that the kube executable goes by.
func kubePrograms() []string {
	return []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"}
}

// build makes every executable. What is up to date costs a second; an interrupted build goes on where it was.
func (l *Lab) build(ctx context.Context) error {
	if err := l.copySources(); err != nil {
		return err
	}
	if err := l.trimLego(ctx); err != nil {
		return err
	}
	for _, p := range programs() {
		l.say("build   %s", p.what)
		if err := l.goBuild(ctx, p); err != nil {
			return err
		}
	}
	for _, name := range kubePrograms() {
		if err := os.Symlink("kube", l.bin(name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

func (l *Lab) goBuild(ctx context.Context, p program) error {
	output := l.bin(p.output)
	if strings.HasSuffix(p.output, "/") {
		output += "/"
		if err := os.MkdirAll(output, 0o755); err != nil {
			return err
		}
	}
	_, err := runWith(ctx, command{
		name: "go", folder: l.path("source", p.module), environment: l.goEnvironment(),
		arguments: append([]string{"build", "-trimpath", "-ldflags=-s -w " + p.link, "-o", output}, p.packages...),
	})
	return err
}

// goEnvironment keeps gigabytes of compiled Kubernetes out of the user's own build cache.
func (l *Lab) goEnvironment() []string {
	return []string{"CGO_ENABLED=0", "GOCACHE=" + l.path("go-build"), "GOFLAGS=-mod=readonly", "GOWORK=off"}
}

// copySources copies build/ into the state folder, where Traefik's generated parts may lie beside it.
func (l *Lab) copySources() error {
	root := filepath.Join(l.Source, "build")
	return filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		target := l.path("source", below)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if former, err := os.ReadFile(target); err == nil && string(former) == string(content) {
			return nil
		}
		return os.WriteFile(target, content, 0o644)
	})
}

// moduleFolder returns where the module cache has a dependency of the module below build/.
func (l *Lab) moduleFolder(ctx context.Context, module, dependency string) (string, error) {
	found, err := runWith(ctx, command{
		name: "go", arguments: []string{"mod", "download", "-json", dependency},
		folder: l.path("source", module), environment: l.goEnvironment(),
	})
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(found, `"Dir": "`)
	folder, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		return "", fmt.Errorf("go mod download says no folder of %s", dependency)
	}
	return folder, nil
}
