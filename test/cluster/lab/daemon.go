package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// daemon is one long-running program of the node.
type daemon struct {
	name      string
	program   string
	arguments []string
}

const (
	etcdClient = "http://127.0.0.1:23790"
	etcdPeer   = "http://127.0.0.1:23800"
	// stopTime is how long a daemon may take to end after SIGTERM.
	stopTime = 10 * time.Second
	// restartDelay keeps a daemon that can't start from filling the disk with its log.
	restartDelay = time.Second
)

// early are the daemons that the API server needs, in order; late those that need it.
func (l *Lab) early() []daemon {
	certs := func(name string) string { return l.path("certs", name) }
	return []daemon{
		{"containerd", "containerd", []string{"-c", l.path("config", "containerd.toml")}},
		{"etcd", "etcd", []string{
			"--data-dir=" + l.path("etcd"), "--listen-client-urls=" + etcdClient, "--advertise-client-urls=" + etcdClient,
			"--listen-peer-urls=" + etcdPeer, "--initial-advertise-peer-urls=" + etcdPeer,
			"--initial-cluster=default=" + etcdPeer, "--quota-backend-bytes=2147483648",
			// Nothing here outlives the machine: a lost second of etcd costs a new `make cluster`.
			"--unsafe-no-fsync", "--log-level=warn",
		}},
		{"kube-apiserver", l.bin("kube-apiserver"), []string{
			"--etcd-servers=" + etcdClient, "--bind-address=" + nodeAddress, "--advertise-address=" + nodeAddress, "--secure-port=6443",
			"--tls-cert-file=" + certs("apiserver.crt"), "--tls-private-key-file=" + certs("apiserver.key"),
			"--client-ca-file=" + certs("ca.crt"),
			"--service-account-key-file=" + certs("sa.pub"), "--service-account-signing-key-file=" + certs("sa.key"),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--kubelet-client-certificate=" + certs("admin.crt"), "--kubelet-client-key=" + certs("admin.key"),
			"--kubelet-certificate-authority=" + certs("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
			"--requestheader-client-ca-file=" + certs("ca.crt"), "--requestheader-allowed-names=front-proxy",
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file=" + certs("frontproxy.crt"), "--proxy-client-key-file=" + certs("frontproxy.key"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--service-cluster-ip-range=" + serviceNetwork, "--profiling=false",
		}},
	}
}

func (l *Lab) late() []daemon {
	certs := func(name string) string { return l.path("certs", name) }
	client := func(name string) []string {
		file := certs(name + ".kubeconfig")
		return []string{
			"--kubeconfig=" + file, "--leader-elect=false", "--bind-address=127.0.0.1",
			"--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file,
		}
	}
	return []daemon{
		{"kube-controller-manager", l.bin("kube-controller-manager"), append(client("controllers"),
			"--use-service-account-credentials=true", "--service-account-private-key-file="+certs("sa.key"),
			"--root-ca-file="+certs("ca.crt"), "--cluster-name=lab", "--allocate-node-cidrs=false")},
		{"kube-scheduler", l.bin("kube-scheduler"), client("scheduler")},
		{"kubelet", l.bin("kubelet"), []string{
			"--config=" + l.path("config", "kubelet.yaml"), "--kubeconfig=" + certs("kubelet.kubeconfig"),
			"--hostname-override=" + nodeName, "--node-ip=" + nodeAddress, "--root-dir=" + l.path("kubelet"), "--v=2",
		}},
		{"kube-proxy", l.bin("kube-proxy"), []string{"--config=" + l.path("config", "proxy.yaml")}},
	}
}

// keeper runs daemons as children and waits for each: an orphan would stay a zombie where nobody reaps, and containers
// would look alive that are not.
type keeper struct {
	lab     *Lab
	stopped chan struct{}
	running sync.WaitGroup

	mu        sync.Mutex
	processes map[string]*os.Process
	order     []string
}

func newKeeper(l *Lab) *keeper {
	return &keeper{lab: l, stopped: make(chan struct{}), processes: map[string]*os.Process{}}
}

// start starts a daemon and starts it again whenever it ends, until stop.
func (k *keeper) start(d daemon) error {
	if err := os.MkdirAll(k.lab.path("logs"), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(k.lab.path("logs", d.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	first := make(chan error, 1)
	k.order = append(k.order, d.name)
	k.running.Go(func() {
		defer func() { _ = log.Close() }()
		for attempt := 0; ; attempt++ {
			cmd, err := k.spawn(d, log)
			if attempt == 0 {
				first <- err
			}
			if err != nil {
				return
			}
			err = cmd.Wait()
			select {
			case <-k.stopped:
				return
			case <-time.After(restartDelay):
				k.lab.say("%s ended (%v), started again", d.name, err)
			}
		}
	})
	return <-first
}

func (k *keeper) spawn(d daemon, log io.Writer) (*exec.Cmd, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.stopped:
		return nil, errors.New("stopped")
	default:
	}
	cmd := exec.Command(d.program, d.arguments...)
	cmd.Stdout, cmd.Stderr = log, log
	// A signal to the starter's group, such as Ctrl-C's, must not reach them: they are stopped in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	k.processes[d.name] = cmd.Process
	return cmd, nil
}

// begin forbids restarts: from here on what ends stays ended.
func (k *keeper) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.stopped:
	default:
		close(k.stopped)
	}
}

// stop ends one daemon.
func (k *keeper) stop(name string) {
	k.mu.Lock()
	process := k.processes[name]
	k.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Signal(syscall.SIGTERM) // it may be gone
	deadline := time.Now().Add(stopTime)
	for process.Signal(syscall.Signal(0)) == nil {
		if time.Now().After(deadline) {
			_ = process.Kill()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waitReady waits until the API server says it is.
func (l *Lab) waitReady(ctx context.Context) error {
	client, err := l.apiClient()
	if err != nil {
		return err
	}
	last := errors.New("no answer")
	for {
		answer, err := get(ctx, client, apiServer+"/readyz")
		if err == nil && answer == "ok" {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("API server is not ready: %w (its log: %s)", last, l.path("logs", "kube-apiserver.log"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *Lab) apiClient() (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(l.path("certs", "admin.crt"), l.path("certs", "admin.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(l.path("certs", "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}, nil
}

func get(ctx context.Context, client *http.Client, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return strings.TrimSpace(string(body)), err
}
