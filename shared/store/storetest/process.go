package storetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// slots is how many hash slots a Redis Cluster has.
const slots = 16384

// processes are the running servers, each kind started once.
type processes struct {
	mu         sync.Mutex
	running    []process
	serverURL  string
	clusterURL string
}

// process is one redis-server below a shell that ends it when its standard input closes: also when the test binary
// is killed.
type process struct {
	command   *exec.Cmd
	input     io.Closer
	directory string
	port      int
	bus       int // the port of the cluster's own protocol, 0 for a single server
}

// single returns the URL of the one server.
func (p *processes) single(t *testing.T) string {
	t.Helper()
	needServer(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serverURL == "" {
		server := p.start(t, false)
		p.serverURL = fmt.Sprintf("redis://127.0.0.1:%d", server.port)
	}
	return p.serverURL
}

// cluster returns the URL of a cluster of three masters.
func (p *processes) cluster(t *testing.T) string {
	t.Helper()
	needServer(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clusterURL == "" {
		var nodes []process
		for range 3 {
			nodes = append(nodes, p.start(t, true))
		}
		join(t, nodes)
		p.clusterURL = fmt.Sprintf("redis+cluster://127.0.0.1:%d?addr=127.0.0.1:%d&addr=127.0.0.1:%d",
			nodes[0].port, nodes[1].port, nodes[2].port)
	}
	return p.clusterURL
}

// start runs one server that keeps nothing on disk and waits until it answers.
func (p *processes) start(t *testing.T, clustered bool) process {
	t.Helper()
	directory, err := os.MkdirTemp("", "storetest-") //nolint:usetesting // it outlives the test that starts the server
	if err != nil {
		t.Fatal(err)
	}
	port, bus := freePort(t), 0
	script := `redis-server "$@" >/dev/null & server=$!; read -r _; kill "$server"; wait "$server"`
	arguments := []string{"-c", script, "sh", "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--dir", directory, "--save", "", "--appendonly", "no"}
	if clustered {
		bus = freePort(t)
		arguments = append(arguments, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus))
	}
	command := exec.Command("sh", arguments...)
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	started := process{command: command, input: input, directory: directory, port: port, bus: bus}
	p.running = append(p.running, started)
	client := node(started)
	defer client.Close()
	Eventually(t, "redis-server answers", func() bool { return client.Ping(context.Background()).Err() == nil })
	return started
}

// stop ends every process and removes its directory.
func (p *processes) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.running {
		_ = each.input.Close()
	}
	for _, each := range p.running {
		_ = each.command.Wait() // its status is that of a server that was told to end
		_ = os.RemoveAll(each.directory)
	}
	p.running, p.serverURL, p.clusterURL = nil, "", ""
}

// join makes one cluster of the nodes, each with a third of the slots.
func join(t *testing.T, nodes []process) {
	t.Helper()
	ctx := context.Background()
	clients := make([]*redis.Client, len(nodes))
	for i, each := range nodes {
		clients[i] = node(each)
		defer clients[i].Close()
		first, last := i*slots/len(nodes), (i+1)*slots/len(nodes)-1
		if err := clients[i].ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i, each := range clients {
		if err := each.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, each := range nodes[1:] {
		if err := clients[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", each.port, each.bus).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, each := range clients {
		Eventually(t, "the cluster covers all slots", func() bool { return covered(ctx, each, len(nodes)) })
	}
}

// covered reports whether a node knows the owner of every slot.
func covered(ctx context.Context, client *redis.Client, masters int) bool {
	shards, err := client.ClusterShards(ctx).Result()
	if err != nil || len(shards) != masters {
		return false
	}
	info, err := client.ClusterInfo(ctx).Result()
	return err == nil && strings.Contains(info, "cluster_state:ok")
}

func node(p process) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", p.port), MaxRetries: -1, DisableIdentity: true})
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
