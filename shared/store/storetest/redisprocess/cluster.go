package redisprocess

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// slots is how many hash slots a Redis Cluster has.
const slots = 16384

// Cluster is a Redis Cluster. For one goroutine at a time.
type Cluster struct {
	// Servers are the nodes: at first the masters, then a replica of each; failovers change the roles.
	Servers []*Server
}

// StartCluster makes a cluster of so many masters, with one replica each when replicated; more are further settings of
// the nodes. It returns when every node covers all slots and every replica is in step.
func StartCluster(ctx context.Context, masters int, replicated bool, more ...string) (*Cluster, error) {
	nodes := masters
	if replicated {
		nodes *= 2
	}
	c := &Cluster{}
	for range nodes {
		server, err := Start(ctx, true, more...)
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.Servers = append(c.Servers, server)
	}
	if err := errors.Join(c.join(ctx, masters)); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// URL is the cluster's address for store.Open.
func (c *Cluster) URL() string {
	others := url.Values{}
	for _, server := range c.Servers[1:] {
		others.Add("addr", server.Address())
	}
	return "redis+cluster://" + c.Servers[0].Address() + "?" + others.Encode()
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	for _, server := range c.Servers {
		server.Stop()
	}
	c.Servers = nil
}

func (c *Cluster) join(ctx context.Context, masters int) error {
	clients := make([]*redis.Client, len(c.Servers))
	for i, server := range c.Servers {
		clients[i] = server.Client()
		defer clients[i].Close()
		if err := clients[i].Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
	}
	for i := range masters {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		if err := clients[i].ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return err
		}
	}
	for _, server := range c.Servers[1:] {
		if err := clients[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", server.Port, server.Bus).Err(); err != nil {
			return err
		}
	}
	if err := replicate(ctx, clients, masters); err != nil {
		return err
	}
	for i, client := range clients {
		what := fmt.Sprintf("node %d is in step with its cluster", i)
		if err := await(ctx, what, func() bool { return settled(ctx, client, len(clients), masters) }); err != nil {
			return err
		}
	}
	return nil
}

// replicate makes every node beyond the masters the replica of one of them.
func replicate(ctx context.Context, clients []*redis.Client, masters int) error {
	for i := masters; i < len(clients); i++ {
		master, err := clients[i-masters].ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		err = await(ctx, "a replica knows its master", func() bool { return clients[i].ClusterReplicate(ctx, master).Err() == nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// settled reports whether a node knows all others and the owner of every slot, and follows its master if it has one.
func settled(ctx context.Context, client *redis.Client, nodes, masters int) bool {
	info, err := client.ClusterInfo(ctx).Result()
	if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", nodes)) ||
		!strings.Contains(info, fmt.Sprintf("cluster_size:%d\r", masters)) {
		return false
	}
	replication, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return false
	}
	if strings.Contains(replication, "role:slave") {
		return strings.Contains(replication, "master_link_status:up")
	}
	return nodes == masters || strings.Contains(replication, "state=online")
}

// Whole reports whether every node knows all others and that all slots have an owner, and every one of so many masters has
// a replica in step with it.
func (c *Cluster) Whole(ctx context.Context, masters int) bool {
	for _, server := range c.Servers {
		client := server.Client()
		in := settled(ctx, client, len(c.Servers), masters)
		_ = client.Close()
		if !in {
			return false
		}
	}
	return true
}
