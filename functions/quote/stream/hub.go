// Package stream serves live market data to any number of clients, by WebSocket and by server-sent events. Every tick is
// encoded once, by the feed; an instance only hands it to the clients that want it. A client that reads too slowly gets
// the newest of each symbol and is told how much it missed; it never holds others up.
package stream

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// linger is how long a topic that nobody here watches any more is still followed, for a client that comes back.
const linger = 10 * time.Second

// hub knows who watches what. It may be used concurrently. What the registry and the listener are told is told under mu,
// so that they learn of it in the order in which it happened: neither waits for anything, nor calls the hub meanwhile.
type hub struct {
	registry *interest.Registry
	listener *listener
	metrics  *metrics

	mu      sync.RWMutex
	topics  map[tick.Topic]*topic
	clients map[*client]struct{}
}

// topic is one thing that somebody watches, or watched a moment ago.
type topic struct {
	tick.Topic

	mu sync.Mutex
	// latest is the newest message, nil before the first.
	latest []byte
	subs   []*subscription
	// left is when the last one left; zero while somebody watches.
	left time.Time
}

// subscription is one client's share of a topic.
type subscription struct {
	client *client
	topic  *topic
	// Guarded by the outbox of the client: where its newest message waits, if one does, and whether any was sent.
	at    int
	waits bool
	sent  bool
}

func newHub(registry *interest.Registry, m *metrics) *hub {
	return &hub{registry: registry, metrics: m, topics: make(map[tick.Topic]*topic), clients: make(map[*client]struct{})}
}

// publish hands one message to everybody who watches its topic. body is kept.
func (h *hub) publish(id tick.Topic, body []byte) {
	h.mu.RLock()
	t := h.topics[id]
	h.mu.RUnlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = body
	for _, s := range t.subs {
		s.client.outbox.put(s, body)
	}
}

// wants reports whether anybody here watches the topic, so that others need not be copied.
func (h *hub) wants(id tick.Topic) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topics[id] != nil
}

// subscribe adds topics to a client and returns those whose latest value is not known here.
func (h *hub) subscribe(c *client, ids []tick.Topic) (unknown []tick.Topic) {
	c.outbox.grow(len(ids))
	h.mu.Lock()
	var opened []tick.Topic
	joined := make([]subscription, len(ids)) // one allocation
	for i, id := range ids {
		t := h.topics[id]
		if t == nil {
			t = &topic{Topic: id}
			h.topics[id] = t
			opened = append(opened, id)
		}
		joined[i] = subscription{client: c, topic: t}
		c.held[t.Topic] = &joined[i] // the topic's own symbol: the client's is of its request
		t.mu.Lock()
		t.left = time.Time{}
		t.mu.Unlock()
	}
	h.listener.follow(opened)
	h.registry.Add(opened...)
	h.mu.Unlock()
	for i := range joined {
		s := &joined[i]
		t := s.topic
		t.mu.Lock()
		t.subs = append(t.subs, s)
		if t.latest != nil {
			c.outbox.putFirst(s, t.latest)
		} else {
			unknown = append(unknown, t.Topic)
		}
		t.mu.Unlock()
	}
	return unknown
}

// offer gives a value from elsewhere to those who wait for a topic's first one.
func (h *hub) offer(id tick.Topic, body []byte, renew bool) {
	h.mu.RLock()
	t := h.topics[id]
	h.mu.RUnlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.latest != nil && (!renew || !madeAt(body).After(madeAt(t.latest))) {
		return
	}
	t.latest = body
	for _, s := range t.subs {
		if renew {
			s.client.outbox.put(s, body)
		} else {
			s.client.outbox.putFirst(s, body)
		}
	}
}

// madeAt reads the timestamp of a message of market data, which stands at its end.
func madeAt(body []byte) time.Time {
	const name = `"timestamp":"`
	at := bytes.LastIndex(body, []byte(name))
	if at < 0 {
		return time.Time{}
	}
	text, _, _ := bytes.Cut(body[at+len(name):], []byte(`"`))
	made, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return time.Time{}
	}
	return made
}

// unsubscribe takes topics from a client.
func (h *hub) unsubscribe(c *client, ids []tick.Topic) {
	for _, id := range ids {
		s := c.held[id]
		if s == nil {
			continue
		}
		h.mu.Lock()
		delete(c.held, id)
		h.mu.Unlock()
		s.topic.leave(s)
		c.outbox.drop(s)
	}
}

func (t *topic) leave(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := slices.Index(t.subs, s); at >= 0 {
		last := len(t.subs) - 1
		t.subs[at], t.subs[last] = t.subs[last], nil
		t.subs = t.subs[:last]
	}
	if len(t.subs) == 0 {
		t.left = time.Now()
	}
}

// join and part keep the list of clients.
func (h *hub) join(c *client) {
	h.mu.Lock()
	h.clients[c] = struct{}{}
	h.mu.Unlock()
}

func (h *hub) part(c *client) {
	h.mu.Lock()
	delete(h.clients, c)
	held := c.held
	c.held = nil
	h.mu.Unlock()
	for _, s := range held {
		s.topic.leave(s)
	}
}

// heldBy returns the topics of a client.
func (h *hub) heldBy(c *client) []tick.Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Keys(c.held))
}

// count returns how many clients there are.
func (h *hub) count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.clients)
}

// all returns the clients of this moment.
func (h *hub) all() []*client {
	h.mu.RLock()
	defer h.mu.RUnlock()
	clients := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	return clients
}

// followed returns the topics that somebody watches, of a class and a shard.
func (h *hub) followed(pick func(tick.Topic) bool) []tick.Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var ids []tick.Topic
	for id := range h.topics {
		if pick(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// watchers returns the clients that watch any of the topics.
func (h *hub) watchers(ids []tick.Topic) map[*client]struct{} {
	h.mu.RLock()
	defer h.mu.RUnlock()
	watchers := make(map[*client]struct{})
	for _, id := range ids {
		t := h.topics[id]
		if t == nil {
			continue
		}
		t.mu.Lock()
		for _, s := range t.subs {
			watchers[s.client] = struct{}{}
		}
		t.mu.Unlock()
	}
	return watchers
}

// sweep forgets the topics that nobody has watched for a while.
func (h *hub) sweep(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var closed []tick.Topic
	for id, t := range h.topics {
		t.mu.Lock()
		if len(t.subs) == 0 && !t.left.IsZero() && now.Sub(t.left) > linger {
			delete(h.topics, id)
			closed = append(closed, id)
		}
		t.mu.Unlock()
	}
	if len(closed) == 0 {
		return
	}
	left := make(map[place]bool)
	for id := range h.topics {
		left[placeOf(id)] = true
	}
	h.registry.Remove(closed...)
	h.listener.leave(left)
}
