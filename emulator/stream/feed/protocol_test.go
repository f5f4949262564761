package feed_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

const (
	connected     = `{"T":"success","msg":"connected"}`
	authenticated = `{"T":"success","msg":"authenticated"}`
)

// TestRefusals provokes every error code that a client can provoke, but 404, 406 and 407, which have tests of their own, and
// checks that the connection stays usable.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	if err := w.plans.Set("K2", access.Basic); err != nil {
		t.Fatal(err)
	}
	contracts := make([]string, 201)
	for i := range contracts {
		contracts[i] = fmt.Sprintf(`"AAPL261218C00%d000"`, 100+i)
	}
	stocks := make([]string, 30)
	for i := range stocks {
		stocks[i] = fmt.Sprintf(`"S%d"`, i)
	}
	cases := []struct {
		name, path string
		header     http.Header
		before     []string // messages whose answers are not looked at
		send, want string
	}{
		{"bad JSON", "/v2/iex", nil, nil, `{`, refusal(400, "invalid syntax")},
		{"not an object", "/v2/iex", nil, nil, `[]`, refusal(400, "invalid syntax")},
		{"unknown action", "/v2/iex", nil, []string{authKey1}, `{"action":"dance"}`, refusal(400, "invalid syntax")},
		{"symbols not a list", "/v2/iex", nil, []string{authKey1}, `{"action":"subscribe","trades":"AAPL"}`, refusal(400, "invalid syntax")},
		{"malformed stock symbol", "/v2/iex", nil, []string{authKey1}, `{"action":"subscribe","trades":["aapl"]}`, refusal(400, "invalid syntax")},
		{"malformed pair", "/v1beta3/crypto/us", nil, []string{authKey1}, `{"action":"subscribe","trades":["BTCUSD"]}`, refusal(400, "invalid syntax")},
		{"bad MessagePack", "/v2/iex", packed(), nil, `"text"`, refusal(400, "invalid syntax")},
		{"malformed contract", "/v1beta1/opra", packed(), []string{authKey1}, `{"action":"subscribe","trades":["AAPL"]}`, refusal(400, "invalid syntax")},
		{"subscribe first", "/v2/iex", nil, nil, `{"action":"subscribe","trades":["AAPL"]}`, refusal(401, "not authenticated")},
		{"unsubscribe first", "/v2/iex", nil, nil, `{"action":"unsubscribe","trades":["AAPL"]}`, refusal(401, "not authenticated")},
		{"wrong secret", "/v2/iex", nil, nil, `{"action":"auth","key":"K1","secret":"no"}`, refusal(402, "auth failed")},
		{"no key", "/v2/iex", nil, nil, `{"action":"auth"}`, refusal(402, "auth failed")},
		{"wrong token", "/v2/iex", nil, nil, `{"action":"auth","key":"oauth","secret":"no"}`, refusal(402, "auth failed")},
		{"wrong key in the header", "/v2/iex", http.Header{"Apca-Api-Key-Id": {"K1"}}, nil, "", refusal(402, "auth failed")},
		{"twice", "/v2/iex", nil, []string{authKey1}, authKey1, refusal(403, "already authenticated")},
		{"too many symbols", "/v2/iex", nil, []string{authKey2}, `{"action":"subscribe","bars":["*"],"trades":[` + strings.Join(stocks, ",") + `],"quotes":["A"]}`, refusal(405, "symbol limit exceeded")},
		{"star in the free plan", "/v2/iex", nil, []string{authKey2}, `{"action":"subscribe","trades":["*"]}`, refusal(405, "symbol limit exceeded")},
		{
			"too many option quotes", "/v1beta1/indicative", packed(), []string{authKey2},
			`{"action":"subscribe","quotes":[` + strings.Join(contracts, ",") + `]}`, refusal(405, "symbol limit exceeded"),
		},
		{"sip in the free plan", "/v2/sip", nil, nil, authKey2, refusal(409, "insufficient subscription")},
		{"opra in the free plan", "/v1beta1/opra", packed(), nil, authKey2, refusal(409, "insufficient subscription")},
		{"boats in the free plan", "/v1beta1/boats", nil, nil, authKey2, refusal(409, "insufficient subscription")},
		{"bars of options", "/v1beta1/opra", packed(), []string{authKey1}, `{"action":"subscribe","bars":["AAPL261218C00250000"]}`, refusal(410, "invalid subscribe action for this feed")},
		{"news on stocks", "/v2/iex", nil, []string{authKey1}, `{"action":"subscribe","news":["AAPL"]}`, refusal(410, "invalid subscribe action for this feed")},
		{"quotes of news", "/v1beta1/news", nil, []string{authKey1}, `{"action":"subscribe","quotes":["AAPL"]}`, refusal(410, "invalid subscribe action for this feed")},
		{"scope", "/v2/iex", nil, nil, `{"action":"auth","key":"oauth","secret":"narrow"}`, refusal(411, "insufficient scope")},
		{"options in JSON", "/v1beta1/opra", nil, nil, authKey1, refusal(412, "option messages are only available in MsgPack format")},
		{"star of option quotes", "/v1beta1/opra", packed(), []string{authKey1}, `{"action":"subscribe","quotes":["*"]}`, refusal(413, "star subscription is not allowed for option quotes")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := &world{tb: t, hub: w.hub, clock: w.clock, url: w.url}
			p := w.open(c.path, c.header)
			for _, message := range c.before {
				p.send(message)
				p.next()
			}
			for range 2 { // the connection lives on
				if c.send != "" {
					p.send(c.send)
				}
				p.expect(c.want)
				if c.send == "" {
					break
				}
			}
			p.close()
			w.left()
		})
	}
}

// left waits until the hub has noticed that all clients are gone, so that their places are free.
func (w *world) left() {
	w.tb.Helper()
	eventually(w.tb, "all clients left", func() bool { return w.hub.Complain("", "", 500) == 0 })
}

func TestWaysToAuthenticate(t *testing.T) {
	t.Parallel()
	basic := http.Header{}
	request := http.Request{Header: basic}
	request.SetBasicAuth("K1", "S1")
	for _, c := range []struct {
		name   string
		header http.Header
		send   string
	}{
		{"message", nil, authKey1},
		{"message with an OAuth token", nil, `{"action":"auth","key":"oauth","secret":"whole"}`},
		{"header pair", http.Header{"Apca-Api-Key-Id": {"K1"}, "Apca-Api-Secret-Key": {"S1"}}, ""},
		{"basic", basic, ""},
		{"bearer", http.Header{"Authorization": {"Bearer whole"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil).open("/v2/iex", c.header)
			if c.send != "" {
				p.send(c.send)
			}
			p.expect(authenticated)
		})
	}
}

func TestAuthTimeout(t *testing.T) {
	t.Parallel()
	p := start(t, func(s *feed.Settings) { s.AuthTimeout = 20 * time.Millisecond }).open("/v2/iex", nil)
	p.expect(refusal(404, "auth timeout"))
	if status := p.expectEnd(); status != websocket.StatusPolicyViolation {
		t.Errorf("close status = %v", status)
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	first := w.enter("/v2/iex", nil)
	second := w.open("/v2/sip", nil)
	for range 3 { // the socket stays open for another try
		second.send(authKey1)
		second.expect(refusal(406, "connection limit exceeded"))
	}
	w.enter("/v2/test", nil)
	w.enter("/v1beta3/crypto/us", nil)
	w.enter("/v1beta1/news", nil)
	w.enter("/v1beta1/indicative", packed())
	other := w.open("/v2/iex", nil)
	other.send(authKey2)
	other.expect(authenticated)

	first.close()
	eventually(t, "the place is free", func() bool {
		second.send(authKey1)
		return string(second.next()) == authenticated
	})
}

func TestConnectionLimitSettings(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *feed.Settings) { s.SlotPerFeed, s.Connections = true, 2 })
	w.enter("/v2/iex", nil)
	w.enter("/v2/iex", nil)
	third := w.open("/v2/iex", nil)
	third.send(authKey1)
	third.expect(refusal(406, "connection limit exceeded"))
	w.enter("/v2/sip", nil)
}

func TestBrokenConnectionLingers(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *feed.Settings) { s.SlotLinger = time.Hour })
	first := w.enter("/v2/iex", nil)
	first.abort()
	w.left()
	second := w.open("/v2/iex", nil)
	second.send(authKey1)
	second.expect(refusal(406, "connection limit exceeded"))
	w.clock.Advance(89 * time.Second)
	second.send(authKey1)
	second.expect(refusal(406, "connection limit exceeded"))
	w.clock.Advance(time.Second)
	second.send(authKey1)
	second.expect(authenticated)
}

func TestWrongPath(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	_, response, err := websocket.Dial(t.Context(), w.url+"/v2/nothing", nil)
	if err == nil || response == nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("dial: %v, %v", response, err)
	}
}
