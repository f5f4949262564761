package storetest

import (
	"context"
	"sync"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// masters is how many masters a cluster has.
const masters = 3

// processes are the running servers, each kind started once.
type processes struct {
	mu         sync.Mutex
	server     *redisprocess.Server
	clustered  *redisprocess.Cluster
	replicated *redisprocess.Cluster
}

// single returns the URL of the one server.
func (p *processes) single(t *testing.T) string {
	t.Helper()
	needServer(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		server, err := redisprocess.Start(context.Background(), false)
		if err != nil {
			t.Fatal(err)
		}
		p.server = server
	}
	return "redis://" + p.server.Address()
}

// cluster returns the URL of a cluster of three masters.
func (p *processes) cluster(t *testing.T) string {
	t.Helper()
	return p.clusterOf(t, &p.clustered, false)
}

func (p *processes) clusterOf(t *testing.T, cluster **redisprocess.Cluster, replicated bool) string {
	t.Helper()
	needServer(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	if *cluster == nil {
		started, err := redisprocess.StartCluster(context.Background(), masters, replicated)
		if err != nil {
			t.Fatal(err)
		}
		*cluster = started
	}
	return (*cluster).URL()
}

// stop ends every process.
func (p *processes) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.server.Stop()
	}
	for _, cluster := range []*redisprocess.Cluster{p.clustered, p.replicated} {
		if cluster != nil {
			cluster.Stop()
		}
	}
	p.server, p.clustered, p.replicated = nil, nil, nil
}
