package feed_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// FuzzConversation says anything to each kind of feed in both codecs, before and after it has authenticated: every message gets
// one control message as its answer, alone in its frame and in the codec that was agreed on, and the connection goes on.
func FuzzConversation(f *testing.F) {
	paths := []string{"/v2/sip", "/v2/test", "/v1beta3/crypto/us", "/v1beta1/opra", "/v1beta1/news"}
	for i, text := range []string{
		authKey1, `{"action":"subscribe","trades":["AAPL","*"],"quotes":null,"orderbooks":["BTC/USD"]}`, `{"action":"unsubscribe","bars":["*"]}`,
		`{"action":"subscribe","news":["*"],"quotes":["AAPL261218C00270000"]}`, `{"action":"auth","key":"oauth","secret":""}`, `[`, "\x01", "",
	} {
		f.Add(i, false, []byte(text))
		var value any
		if json.Unmarshal([]byte(text), &value) == nil {
			packed, err := msgpack.Marshal(value)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(i, true, packed)
		}
	}
	w := start(f, func(s *feed.Settings) { s.Connections, s.AuthTimeout = 1000, time.Hour })
	peers := make(map[int]map[bool]*peer)
	for i, path := range paths {
		peers[i] = map[bool]*peer{false: w.open(path, nil), true: w.open(path, packed())}
	}
	f.Fuzz(func(t *testing.T, number int, binary bool, message []byte) {
		if len(message) > 1<<16 || len(message) == 1 && message[0] == 1 { // a heartbeat has no answer
			return
		}
		place := ((number % len(paths)) + len(paths)) % len(paths)
		p := peers[place][binary]
		p.tb = t
		defer func() { p.tb = f }()
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		kind := websocket.MessageText
		if binary {
			kind = websocket.MessageBinary
		}
		if err := p.conn.Write(ctx, kind, message); err != nil {
			t.Fatal(err)
		}
		p.send(`{"action":"dance"}`)
		for answers := 0; answers < 2; {
			switch found := decode(t, p.next()); found["T"] {
			case "success", "subscription":
				answers++
			case "error":
				answers++
				if code, _ := found["code"].(float64); code < 400 || code > 413 || found["msg"] == "" {
					t.Fatalf("error %v", found)
				}
			case "o": // the books that a subscription begins with
			default:
				t.Fatalf("message %v", found)
			}
		}
	})
}
