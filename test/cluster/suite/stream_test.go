package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// streamClients are as many as a rollout has to move; each watches one symbol.
const streamClients = 20

// streamMessage is what is read of a message of the market-data socket.
type streamMessage struct {
	Type        string `json:"type"`
	Symbol      string `json:"symbol"`
	Code        int    `json:"code"`
	ResumeToken string `json:"resume_token"`
}

// streamClient is a client that goes on after its instance went.
type streamClient struct {
	mu      sync.Mutex
	quotes  int // since the last connection was opened
	resumed int
	failed  []string
}

func (c *streamClient) state() (quotes, resumed int, failed []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quotes, c.resumed, c.failed
}

func (c *streamClient) note(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// run follows a symbol until ctx ends; when the instance says that it goes, it resumes on another.
func (c *streamClient) run(ctx context.Context, on *cluster, token, symbol string) {
	resume := ""
	for ctx.Err() == nil {
		closing, err := c.follow(ctx, on, token, symbol, resume)
		if ctx.Err() != nil {
			return
		}
		if closing.Code != int(websocket.StatusServiceRestart) || closing.ResumeToken == "" {
			c.note(func() { c.failed = append(c.failed, fmt.Sprintf("ended with %+v, %v", closing, err)) })
			time.Sleep(200 * time.Millisecond)
			continue
		}
		resume = closing.ResumeToken
		c.note(func() { c.resumed++ })
	}
}

// follow is one connection; it returns the last closing message.
func (c *streamClient) follow(ctx context.Context, on *cluster, token, symbol, resume string) (streamMessage, error) {
	connection, _, err := websocket.Dial(ctx, on.ingress+"/api/v1/ws/market-data", &websocket.DialOptions{
		Host: routeHost, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return streamMessage{}, err
	}
	defer func() { _ = connection.CloseNow() }()
	connection.SetReadLimit(1 << 20)
	c.note(func() { c.quotes = 0 })
	request := fmt.Sprintf(`{"action":"subscribe","quotes":[%q]}`, symbol)
	if resume != "" {
		request = fmt.Sprintf(`{"action":"resume","resume_token":%q}`, resume)
	}
	if err := connection.Write(ctx, websocket.MessageText, []byte(request)); err != nil {
		return streamMessage{}, err
	}
	var closing streamMessage
	for {
		_, frame, err := connection.Read(ctx)
		if err != nil {
			return closing, err
		}
		var messages []streamMessage
		if err := json.Unmarshal(frame, &messages); err != nil {
			return closing, fmt.Errorf("%w in %.200s", err, frame)
		}
		for _, m := range messages {
			switch m.Type {
			case "quote":
				c.note(func() { c.quotes++ })
			case "closing":
				closing = m
			case "error":
				return closing, fmt.Errorf("refused: %.300s", frame)
			}
		}
	}
}

// TestStreamsResumeThroughARollout has clients on the market-data socket while a new revision takes over. Knative leaves the
// old one's pods alone as long as sockets are open; when they go at last, as with their node, each client is told to come
// again, comes to the new revision, and goes on with what it watched.
func TestStreamsResumeThroughARollout(t *testing.T) {
	shared.marketOpen(t)
	token := shared.token(t, accountNumber(7))
	ctx, cancel := context.WithCancel(t.Context())
	symbols := []string{"AAPL", "MSFT", "NVDA", "AMZN", "META"}
	clients := make([]*streamClient, streamClients)
	var running sync.WaitGroup
	for i := range clients {
		clients[i] = &streamClient{}
		running.Go(func() { clients[i].run(ctx, shared, token, symbols[i%len(symbols)]) })
	}
	defer running.Wait()
	defer cancel()
	live := func(resumed int) func() (bool, string) {
		return func() (bool, string) {
			for i, c := range clients {
				quotes, times, failed := c.state()
				if quotes == 0 || times < resumed {
					return false, fmt.Sprintf("client %d: %d quotes, resumed %d times, %v", i, quotes, times, failed)
				}
			}
			return true, ""
		}
	}
	eventually(t, "every client gets quotes", live(0))
	former := shared.revision(t, "quote-stream")
	shared.roll(t, "quote-stream")
	eventually(t, "the rollout cuts nobody off", live(0))
	shared.k(t, "delete", "pod", "-l", "serving.knative.dev/revision="+former, "--wait=false")
	eventually(t, "every client gets quotes from the new revision", live(1))
	for i, c := range clients {
		if _, _, failed := c.state(); len(failed) > 0 {
			t.Errorf("client %d: %v", i, failed)
		}
	}
}
