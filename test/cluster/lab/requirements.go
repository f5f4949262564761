package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// requirement is a program of the system and the Debian package that has it.
type requirement struct{ program, debian string }

func requirements() []requirement {
	return []requirement{
		{"containerd", "containerd"},
		{"ctr", "containerd"},
		{"runc", "runc"},
		{"/usr/lib/cni/ptp", "containernetworking-plugins"},
		{"etcd", "etcd-server"},
		{"ip", "iproute2"},
		{"iptables", "iptables"},
		{"conntrack", "conntrack"},
		{"mount", "mount"},
		{"redis-server", "redis-server"},
	}
}

// errRoot: containers and networks need it.
var errRoot = errors.New("the cluster needs root: it makes containers, a bridge and routes")

// require installs what is missing where it can, and otherwise says in one line what is missing.
func (l *Lab) require(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errRoot
	}
	var packages []string
	for _, r := range requirements() {
		if _, err := exec.LookPath(r.program); err != nil {
			packages = append(packages, r.debian)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing on this machine (the names are Debian's packages): %s", strings.Join(packages, " "))
	}
	l.say("installing %s", strings.Join(packages, " "))
	quiet := []string{"DEBIAN_FRONTEND=noninteractive"}
	update := command{name: "apt-get", arguments: []string{"update", "-qq"}, environment: quiet}
	if _, err := runWith(ctx, update); err != nil {
		return err
	}
	install := command{
		name: "apt-get", environment: quiet,
		arguments: append([]string{"install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"}, packages...),
	}
	_, err := runWith(ctx, install)
	return err
}
