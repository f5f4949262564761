package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// streamMessage is what the tests look at of a stream's messages.
type streamMessage struct {
	Type        string         `json:"type"`
	AssetClass  string         `json:"asset_class"`
	Symbol      string         `json:"symbol"`
	State       string         `json:"state"`
	ResumeToken string         `json:"resume_token"`
	Quotes      []string       `json:"quotes"`
	Skipped     map[string]int `json:"skipped"`
	Error       struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	} `json:"error"`
}

// stream is a client of the market-data socket.
type stream struct {
	t       *testing.T
	conn    *websocket.Conn
	waiting []streamMessage
}

func (s *system) stream(query string, header http.Header) *stream {
	s.t.Helper()
	conn, _, err := websocket.Dial(s.t.Context(), s.ready.Gateway+"/api/v1/ws/market-data"+query, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &stream{t: s.t, conn: conn}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func (c *stream) send(request string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, []byte(request)); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next message, or how the stream ended.
func (c *stream) next() (streamMessage, error) {
	for len(c.waiting) == 0 {
		ctx, cancel := context.WithTimeout(c.t.Context(), deadline)
		_, frame, err := c.conn.Read(ctx)
		cancel()
		if err != nil {
			return streamMessage{}, err
		}
		if err := json.Unmarshal(frame, &c.waiting); err != nil {
			c.t.Fatalf("%s: %v", frame, err)
		}
	}
	first := c.waiting[0]
	c.waiting = c.waiting[1:]
	return first, nil
}

// until reads until a message is as wanted.
func (c *stream) until(what string, wanted func(streamMessage) bool) streamMessage {
	c.t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("%s: the stream ended: %v", what, err)
		}
		if wanted(m) {
			return m
		}
	}
}

func ofType(name string) func(streamMessage) bool {
	return func(m streamMessage) bool { return m.Type == name }
}

func TestMarketDataStream(t *testing.T) {
	t.Parallel()
	s := start(t)
	token := s.ready.Accounts[0].Token
	c := s.stream("", nil)
	c.send(`{"action":"subscribe","quotes":["AAPL"]}`)
	if m := c.until("a refusal", ofType("error")); m.Error.Code != "INVALID_TOKEN" {
		t.Fatalf("got %+v", m)
	}
	c = s.stream("", nil)
	c.send(fmt.Sprintf(`{"action":"auth","token":%q}`, token))
	c.until("authenticated", ofType("authenticated"))
	c.send(`{"action":"subscribe","quotes":["AAPL"],"trades":["AAPL"]}`)
	c.send(`{"action":"subscribe","asset_class":"crypto","quotes":["BTC/USD"]}`)
	c.until("a stock's quote", func(m streamMessage) bool {
		return m.Type == "quote" && m.Symbol == "AAPL" && m.AssetClass == "us_equity"
	})
	c.until("a pair's quote", func(m streamMessage) bool {
		return m.Type == "quote" && m.Symbol == "BTC/USD" && m.AssetClass == "crypto"
	})
	c.until("a trade", func(m streamMessage) bool { return m.Type == "trade" && m.Symbol == "AAPL" })
	for range 3 { // more than the first value: the feed flows
		c.until("another quote", func(m streamMessage) bool { return m.Type == "quote" && m.Symbol == "AAPL" })
	}
	if n := s.metric(`stream_connections`, `transport="websocket"`); n < 1 {
		t.Errorf("%v streams are counted", n)
	}
}

func TestStreamRequestsAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.stream("", bearer(s.ready.Accounts[0].Token))
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("%q", fmt.Sprintf("S%c%c%c", 'A'+i/676%26, 'A'+i/26%26, 'A'+i%26))
	}
	for name, request := range map[string]string{
		"10,000 symbols":     `{"action":"subscribe","quotes":[` + strings.Join(many, ",") + `]}`,
		"a malformed symbol": `{"action":"subscribe","quotes":["AA PL"]}`,
		"a star":             `{"action":"subscribe","trades":["*"]}`,
		"bars of options":    `{"action":"subscribe","asset_class":"us_option","bars":["AAPL270115C00200000"]}`,
		"an unknown class":   `{"action":"subscribe","asset_class":"bonds","quotes":["X"]}`,
		"an unknown action":  `{"action":"buy"}`,
		"an unknown field":   `{"action":"subscribe","symbols":["AAPL"]}`,
		"nothing":            `{"action":"subscribe"}`,
		"no JSON":            `subscribe AAPL`,
	} {
		c.send(request)
		m := c.until(name, ofType("error"))
		if m.Error.Code != "INVALID_REQUEST" || m.Error.Message == "" {
			t.Errorf("%s: %+v", name, m.Error)
		}
		if name == "10,000 symbols" && m.Error.Details["limit"] != 2000.0 {
			t.Errorf("%s: %+v", name, m.Error)
		}
	}
	c.send(`{"action":"subscribe","quotes":["MSFT"]}`) // the stream lives on
	c.until("a quote", ofType("quote"))
}

func TestStreamTicket(t *testing.T) {
	t.Parallel()
	s := start(t)
	var ticket struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}
	s.call(s.ready.Accounts[0].Token, http.MethodPost, "/api/v1/auth/ticket", "").into(t, &ticket)
	s.stream("?ticket="+ticket.Ticket, nil).until("authenticated", ofType("authenticated"))
	_, answer, err := websocket.Dial(t.Context(), s.ready.Gateway+"/api/v1/ws/market-data?ticket="+ticket.Ticket, nil)
	if err == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Fatalf("a ticket worked twice: %v", err)
	}
}

func TestRevokedTokenEndsItsStream(t *testing.T) {
	t.Parallel()
	s := start(t)
	token := s.ready.Accounts[0].Token
	c := s.stream("", bearer(token))
	c.until("authenticated", ofType("authenticated"))
	if a := s.call(token, http.MethodPost, "/api/v1/auth/revoke", ""); !a.Success {
		t.Fatalf("%+v", a)
	}
	for {
		_, err := c.next()
		if err == nil {
			continue
		}
		if code := websocket.CloseStatus(err); code != 4401 {
			t.Fatalf("it ended with %d: %v", code, err)
		}
		return
	}
}

func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ready.Gateway+"/api/v1/sse/market-data?symbols=AAPL,MSFT&channels=quotes", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = bearer(s.ready.Accounts[0].Token)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	events := bufio.NewScanner(answer.Body)
	seen := map[string]int{}
	name := ""
	for seen["AAPL"] < 3 || seen["MSFT"] < 3 {
		if !events.Scan() {
			t.Fatalf("it ended: %v", events.Err())
		}
		if after, ok := strings.CutPrefix(events.Text(), "event: "); ok {
			name = after
		}
		if after, ok := strings.CutPrefix(events.Text(), "data: "); ok {
			var m streamMessage
			if err := json.Unmarshal([]byte(after), &m); err != nil || m.Type != name {
				t.Fatalf("%s: %s, %v", name, after, err)
			}
			seen[m.Symbol]++
		}
	}
	for path, status := range map[string]int{
		"/api/v1/sse/market-data?symbols=AA%20PL": 400, "/api/v1/sse/market-data": 400, "/api/v1/sse/market-data?symbols=AAPL&channels=news": 400,
	} {
		if a := s.call(s.ready.Accounts[0].Token, http.MethodGet, path, ""); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := s.call("", http.MethodGet, "/api/v1/sse/market-data?symbols=AAPL", ""); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
}
