package stream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestControl(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.dial(websocket.MessageBinary, nil)
	p.listen()
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "", "", 200, `{"open":{"trade_updates":1},"refused_upgrades":{}}`},
		{"POST", "/trade", `{"symbol":"AAPL","action":"cancel"}`, 204, ""},
		{"POST", "/trade", `{"symbol":"AAPL","action":"correct"}`, 204, ""},
		{"POST", "/trade", `{"symbol":"AAPL","action":"burn"}`, 400, `{"message":"action: must be cancel or correct"}`},
		{"POST", "/trade", `{"symbol":"NOSUCH","action":"cancel"}`, 400, `{"message":"symbol: unknown stock symbol: \"NOSUCH\""}`},
		{"POST", "/error", `{"kind":"stocks","code":500}`, 200, `{"told":0}`},
		{"POST", "/error", `{"color":"red"}`, 400, `{"message":"json: unknown field \"color\""}`},
		{"POST", "/silence", `{"kind":"stocks"}`, 200, `{"clients":0}`},
		{"POST", "/resume", `{}`, 200, `{"clients":0}`},
		{"POST", "/disconnect", `{"kind":"trade_updates","key_id":"K2"}`, 200, `{"disconnected":0}`},
		{"POST", "/disconnect", `{"kind":"crypto"}`, 200, `{"disconnected":0}`},
		{"POST", "/disconnect", `{}`, 200, `{"disconnected":1}`},
	} {
		request, err := http.NewRequest(c.method, w.alpaca.AdminURL()+"/emulator/streams"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := w.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if got := strings.TrimSpace(string(body)); response.StatusCode != c.status || got != c.want {
			t.Errorf("%s %s: status %d, %s; want %d, %s", c.method, c.path, response.StatusCode, got, c.status, c.want)
		}
	}
}
