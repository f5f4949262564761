// Package lab is a whole Kubernetes cluster with Knative on one machine: one real node (containerd, kubelet,
// kube-proxy), built from Go modules and Debian packages, without an image registry. Everything it makes is in one
// folder, its traffic stays within its own addresses, and Down leaves nothing behind.
package lab

import (
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// The addresses of the cluster: all of 198.18.0.0/15, which RFC 2544 keeps for benchmarks and nobody routes.
const (
	nodeAddress = "198.19.128.1"
	podNetwork  = "198.18.0.0/16"
	// serviceNetwork must not hold nodeAddress.
	serviceNetwork = "198.19.0.0/17"
	wholeNetwork   = "198.18.0.0/15"
	kubernetesIP   = "198.19.0.1"
	dnsAddress     = "198.19.0.10"
	apiServer      = "https://" + nodeAddress + ":6443"
	nodeName       = "lab"
	bridge         = "opitios0"
)

// The versions of what is built; the go.mod of each folder below build/ pins them together with all they need.
const (
	kubernetesVersion = "v1.34.4"
	knativeVersion    = "v0.50.0"
)

// Lab is a cluster that lives in one folder.
type Lab struct {
	// State is the folder: binaries, images, certificates, logs, the node's own data.
	State string
	// Source is the folder of this module, where build/ is.
	Source string
	// Output gets the progress.
	Output io.Writer

	begun time.Time
}

// New returns the lab in the folder state; source is test/cluster.
func New(state, source string, output io.Writer) (*Lab, error) {
	state, err := filepath.Abs(state)
	if err != nil {
		return nil, err
	}
	source, err = filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	return &Lab{State: state, Source: source, Output: output, begun: time.Now()}, nil
}

// Kubeconfig is the administrator's.
func (l *Lab) Kubeconfig() string { return l.path("certs", "admin.kubeconfig") }

// ContainerdLog is the file of containerd's log.
func (l *Lab) ContainerdLog() string { return l.path("logs", "containerd.log") }

// Kubectl is the program, of the same version as the cluster.
func (l *Lab) Kubectl() string { return l.bin("kubectl") }

func (l *Lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.State}, parts...)...)
}

func (l *Lab) bin(name string) string { return l.path("bin", name) }

// containerdSocket is inside the folder: two labs don't meet. A UNIX socket's path may have 107 bytes.
func (l *Lab) containerdSocket() string { return l.path("run", "containerd.sock") }

// say prints one line of progress with the seconds since the start.
func (l *Lab) say(format string, values ...any) {
	_, _ = fmt.Fprintf(l.Output, "%7.1fs  %s\n", time.Since(l.begun).Seconds(), fmt.Sprintf(format, values...))
}
