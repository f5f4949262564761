package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyTime bounds the start of the control plane; it takes 4 s on two idle cores.
const readyTime = 3 * time.Minute

// Supervise is the starter's own process in the background: the parent of every daemon until SIGTERM, when it stops
// them, removes what they made, and ends.
func (l *Lab) Supervise(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGHUP)
	keeper := newKeeper(l)
	err := l.startNode(ctx, keeper)
	if err == nil {
		err = os.WriteFile(l.path("ready"), nil, 0o644)
	}
	if err == nil {
		<-ctx.Done()
	} else if ctx.Err() == nil {
		l.say("not started: %v", err)
		_ = os.WriteFile(l.path("failed"), []byte(err.Error()), 0o644) // the log has it too
	}
	return errors.Join(err, l.stopNode(context.WithoutCancel(ctx), keeper))
}

func (l *Lab) startNode(ctx context.Context, keeper *keeper) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for _, folder := range []string{"run", "etcd", "podlogs", "kubelet"} {
		if err := os.MkdirAll(l.path(folder), 0o700); err != nil {
			return err
		}
	}
	if err := errors.Join(l.certify(), l.writeConfig()); err != nil {
		return err
	}
	if err := l.confine(ctx); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	for _, d := range l.early() {
		if err := keeper.start(d); err != nil {
			return err
		}
	}
	if err := l.waitReady(ctx); err != nil {
		return err
	}
	for _, d := range l.late() {
		if err := keeper.start(d); err != nil {
			return err
		}
	}
	return nil
}

// stopNode stops everything: first those who would start containers again, then the containers, then containerd.
func (l *Lab) stopNode(ctx context.Context, keeper *keeper) error {
	keeper.begin()
	order := slices.Clone(keeper.order)
	slices.Reverse(order)
	for _, name := range order {
		if name != "containerd" {
			l.say("stop    %s", name)
			keeper.stop(name)
		}
	}
	l.say("stop    containers")
	l.removeContainers(ctx)
	keeper.stop("containerd")
	keeper.running.Wait()
	return l.clean(ctx)
}

// removeContainers kills and removes every container; what is gone already is no error.
func (l *Lab) removeContainers(ctx context.Context) {
	ctr := func(arguments ...string) string {
		out, _ := run(ctx, "ctr", append([]string{"--address", l.containerdSocket(), "-n", "k8s.io"}, arguments...)...)
		return out
	}
	for _, task := range strings.Fields(ctr("tasks", "ls", "-q")) {
		ctr("tasks", "kill", "-s", "KILL", task)
	}
	for _, task := range strings.Fields(ctr("tasks", "ls", "-q")) {
		ctr("tasks", "rm", "-f", task)
	}
	if containers := strings.Fields(ctr("containers", "ls", "-q")); len(containers) > 0 {
		ctr(append([]string{"containers", "rm"}, containers...)...)
	}
}

// clean removes what the daemons made outside the folder, and what a new cluster must not find inside it.
func (l *Lab) clean(ctx context.Context) error {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return err
	}
	var ours []string
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], l.State+"/") {
			ours = append(ours, fields[1])
		}
	}
	slices.Sort(ours)
	slices.Reverse(ours) // inner ones first
	for _, mount := range ours {
		_ = syscall.Unmount(mount, syscall.MNT_DETACH) // gone already, or the removal below says so
	}
	namespaces, _ := os.ReadDir("/run/netns")
	for _, namespace := range namespaces {
		if strings.HasPrefix(namespace.Name(), "cni-") {
			_, _ = run(ctx, "ip", "netns", "delete", namespace.Name())
		}
	}
	removeCgroups()
	failed := []error{l.unconfine(ctx)}
	for _, name := range []string{"run", "etcd", "podlogs", "kubelet", "certs", "config", "ready", "failed", "supervisor.pid"} {
		failed = append(failed, os.RemoveAll(l.path(name)))
	}
	return errors.Join(failed...)
}

// removeCgroups removes the pods' control groups, of either version of cgroups; only empty ones can be removed.
func removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		found, _ := run(context.Background(), "sh", "-c", "find "+pattern+" -depth -type d 2>/dev/null")
		for folder := range strings.Lines(found) {
			_ = syscall.Rmdir(strings.TrimSpace(folder))
		}
	}
}

// startSupervisor starts Supervise in a process of its own, unless one runs, and waits until the node is up.
func (l *Lab) startSupervisor(ctx context.Context) error {
	if l.supervisor() == 0 {
		if err := l.launch(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		if _, err := os.Stat(l.path("ready")); err == nil {
			return nil
		}
		if why, err := os.ReadFile(l.path("failed")); err == nil {
			return fmt.Errorf("the node did not start: %s", why)
		}
		if l.supervisor() == 0 {
			return fmt.Errorf("the node's starter ended: see %s", l.path("logs", "supervisor.log"))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node is not up: see %s", l.path("logs"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *Lab) launch() error {
	if err := os.MkdirAll(l.path("logs"), 0o755); err != nil {
		return err
	}
	_ = os.Remove(l.path("ready"))
	_ = os.Remove(l.path("failed"))
	log, err := os.OpenFile(l.path("logs", "supervisor.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// A copy of this program: `go run` removes the original when it returns.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	starter := l.bin("starter")
	_ = os.Remove(starter) // it may be running
	if err := os.WriteFile(starter, content, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(starter, "-state", l.State, "-source", l.Source, "supervise")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return os.WriteFile(l.path("supervisor.pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

// supervisor returns the process ID of the running starter, or 0.
func (l *Lab) supervisor() int {
	content, err := os.ReadFile(l.path("supervisor.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	// Another program may have got the number since.
	program, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil || !strings.HasPrefix(program, l.bin("starter")) {
		return 0
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil || strings.Contains(string(status), ") Z ") {
		return 0
	}
	return pid
}

// Down stops the cluster and leaves of it what a new one can use again: executables and compiled packages; with all
// also these are removed.
func (l *Lab) Down(ctx context.Context, all bool) error {
	if pid := l.supervisor(); pid != 0 {
		l.say("stop    the node (process %d)", pid)
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			return err
		}
		for l.supervisor() != 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	// Also when no starter runs: one that was killed has left its things.
	l.killOrphans()
	if err := l.clean(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(l.path("containerd")); err != nil {
		return err
	}
	if all {
		return os.RemoveAll(l.State)
	}
	l.say("down; executables and compiled packages are kept in %s (cluster-down ALL=1 removes them)", l.State)
	return nil
}

// killOrphans ends the daemons and container shims of a starter that was killed. They are known by the state folder in
// their command line; other processes that name it, such as an editor, are not daemons of ours.
func (l *Lab) killOrphans() {
	daemons := []string{"containerd", "containerd-shim-runc-v2", "etcd", "kube"}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		program, err := os.Readlink("/proc/" + entry.Name() + "/exe")
		if err != nil || !slices.Contains(daemons, filepath.Base(program)) {
			continue
		}
		line, err := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if err == nil && strings.Contains(string(line), l.State+"/") {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone in the meantime is as good
		}
	}
}
