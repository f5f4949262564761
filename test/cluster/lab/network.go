package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// former is what the machine was like before: the kubelet sets three of these, the network one.
type former struct {
	Sysctls map[string]string `json:"sysctls"`
}

func changedSysctls() []string {
	return []string{"net/ipv4/ip_forward", "vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"}
}

// remember writes the machine's settings down, unless an earlier start has that was not undone.
func (l *Lab) remember() error {
	if _, err := os.Stat(l.path("former.json")); err == nil {
		return nil
	}
	f := former{Sysctls: map[string]string{}}
	for _, name := range changedSysctls() {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			return err
		}
		f.Sysctls[name] = strings.TrimSpace(string(value))
	}
	content, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(l.path("former.json"), content, 0o600)
}

// restore sets the machine's settings back.
func (l *Lab) restore() error {
	content, err := os.ReadFile(l.path("former.json"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var f former
	if err := json.Unmarshal(content, &f); err != nil {
		return err
	}
	for name, value := range f.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	return os.Remove(l.path("former.json"))
}

// confine makes the cluster's network before anything uses it. No packet to or from it can leave by the machine's own
// interface: a route swallows what no pod has, and two rules drop what would be forwarded.
func (l *Lab) confine(ctx context.Context) error {
	if err := l.remember(); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return err
	}
	// A bridge without ports carries the node's address; not every kernel has dummy devices.
	if _, err := run(ctx, "ip", "link", "show", bridge); err != nil {
		if _, err := run(ctx, "ip", "link", "add", bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	steps := [][]string{
		{"link", "set", bridge, "up"},
		{"address", "replace", nodeAddress + "/32", "dev", bridge},
		{"route", "replace", serviceNetwork, "dev", bridge, "src", nodeAddress},
		{"route", "replace", "blackhole", wholeNetwork},
	}
	for _, step := range steps {
		if _, err := run(ctx, "ip", step...); err != nil {
			return err
		}
	}
	for _, rule := range l.guards(ctx) {
		if _, err := run(ctx, "iptables", append([]string{"-w", "-t", "mangle", "-C"}, rule...)...); err == nil {
			continue
		}
		if _, err := run(ctx, "iptables", append([]string{"-w", "-t", "mangle", "-A"}, rule...)...); err != nil {
			return err
		}
	}
	return nil
}

// guards are the rules against leaving, one set for each interface that a default route names.
func (l *Lab) guards(ctx context.Context) [][]string {
	routes, err := run(ctx, "ip", "-o", "route", "show", "default")
	if err != nil {
		return nil
	}
	var rules [][]string
	for line := range strings.Lines(routes) {
		_, rest, found := strings.Cut(line, " dev ")
		if !found {
			continue
		}
		outer := strings.Fields(rest)[0]
		rules = append(rules,
			[]string{"FORWARD", "-s", wholeNetwork, "-o", outer, "-j", "DROP"},
			[]string{"POSTROUTING", "-o", outer, "-d", wholeNetwork, "-j", "DROP"},
			[]string{"POSTROUTING", "-o", outer, "-s", wholeNetwork, "-j", "DROP"})
	}
	return rules
}

// unconfine takes the network away again, and what kube-proxy and the pods' network left in iptables.
func (l *Lab) unconfine(ctx context.Context) error {
	var failed []error
	for _, table := range []string{"iptables", "ip6tables"} {
		failed = append(failed, dropChains(ctx, table))
	}
	for _, rule := range l.guards(ctx) {
		_, _ = run(ctx, "iptables", append([]string{"-w", "-t", "mangle", "-D"}, rule...)...) // it may never have been set
	}
	_, _ = run(ctx, "ip", "route", "delete", "blackhole", wholeNetwork)
	if _, err := run(ctx, "ip", "link", "show", bridge); err == nil {
		_, err = run(ctx, "ip", "link", "delete", bridge)
		failed = append(failed, err)
	}
	_, _ = run(ctx, "conntrack", "-D", "-d", wholeNetwork)
	_, _ = run(ctx, "conntrack", "-D", "-s", wholeNetwork)
	return errors.Join(append(failed, l.restore())...)
}

// dropChains removes the rules and chains of Kubernetes and of CNI, and leaves all others as they are.
func dropChains(ctx context.Context, table string) error {
	saved, err := run(ctx, table+"-save")
	if err != nil {
		return nil //nolint:nilerr // a kernel without the table has nothing of ours in it
	}
	var kept strings.Builder
	removed := false
	for line := range strings.Lines(saved) {
		if strings.Contains(line, "KUBE-") || strings.Contains(line, "CNI-") {
			removed = true
			continue
		}
		kept.WriteString(line)
	}
	if !removed {
		return nil
	}
	if _, err := runWith(ctx, command{name: table + "-restore", input: []byte(kept.String())}); err != nil {
		return fmt.Errorf("restore %s: %w", table, err)
	}
	return nil
}
