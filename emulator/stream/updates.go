package stream

import (
	"context"
	"net/http"
	"sync"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// TradeUpdates serves the trading WebSocket at /stream. It may be used concurrently.
type TradeUpdates struct {
	Gate *access.Gate
	Door *socket.Door
	// Binary sends JSON in binary frames, as Alpaca's paper environment does.
	Binary bool

	mu      sync.Mutex
	clients map[*updatesClient]string // key IDs
}

// Register adds the endpoint to mux.
func (u *TradeUpdates) Register(mux *http.ServeMux) { mux.HandleFunc("GET /stream", u.serve) }

func (u *TradeUpdates) serve(w http.ResponseWriter, r *http.Request) {
	opened, ok := u.Door.Open(w, r, KindTradeUpdates, u.Binary)
	if !ok {
		return
	}
	defer opened.Leave()
	ctx, cancel := context.WithCancel(r.Context())
	client := &updatesClient{owner: u, socket: opened, incoming: make(chan []byte)}
	var reader sync.WaitGroup
	reader.Go(func() {
		defer cancel()
		client.read(ctx)
	})
	client.run(ctx)
	opened.Abort()
	cancel()
	reader.Wait()
	u.depart(client)
}

func (u *TradeUpdates) arrive(client *updatesClient, keyID string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.clients == nil {
		u.clients = make(map[*updatesClient]string)
	}
	u.clients[client] = keyID
}

func (u *TradeUpdates) depart(client *updatesClient) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.clients, client)
}

func (u *TradeUpdates) disconnect(keyID string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	count := 0
	for client, owner := range u.clients {
		if keyID == "" || owner == keyID {
			client.socket.Abort()
			count++
		}
	}
	return count
}
