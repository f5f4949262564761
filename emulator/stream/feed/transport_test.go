package feed_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// TestMessagePackBytes looks at the bytes: T is the first key, times are extension -1, data comes in one array.
func TestMessagePackBytes(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.dial("/v2/test", packed())
	golden(t, p, "91"+"82"+"a154"+"a773756363657373"+"a36d7367"+"a9636f6e6e6563746564") // [{T: success, msg: connected}]
	p.send(authKey1)
	golden(t, p, "91"+"82"+"a154"+"a773756363657373"+"a36d7367"+"ad61757468656e74696361746564")
	p.send(`{"action":"subscribe","trades":["FAKEPACA"]}`)
	golden(t, p, "91"+"84"+"a154"+"ac737562736372697074696f6e"+"a6747261646573"+"91a846414b4550414341"+
		"a671756f746573"+"90"+"a462617273"+"90")
	w.clock.Advance(5 * time.Second)
	golden(t, p, "91"+"89"+"a154"+"a174"+"a153"+"a846414b4550414341"+"a169"+"ce6b05ad7d"+"a178"+"a14f"+
		"a170"+"cb4060e33333333333"+"a173"+"62"+"a163"+"91a140"+"a174"+"d6ff6b05ad7d"+"a17a"+"a141")
}

func golden(t *testing.T, p *peer, want string) {
	t.Helper()
	kind, frame, err := p.frame()
	if err != nil || kind != websocket.MessageBinary {
		t.Fatalf("frame of type %v: %v", kind, err)
	}
	if got := hex.EncodeToString(frame); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// TestDataSharesFrames checks that what waits for a client together travels together.
func TestDataSharesFrames(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *feed.Settings) { s.Interval = 50 * time.Millisecond })
	p := w.enter("/v2/sip", packed())
	p.subscribe(`"quotes":["*"]`)
	w.clock.Advance(time.Second)
	_, frame, err := p.frame()
	if err != nil {
		t.Fatal(err)
	}
	length, err := msgpack.NewDecoder(bytes.NewReader(frame)).DecodeArrayLen()
	if err != nil || length < 100 {
		t.Errorf("a frame of %d messages: %v", length, err)
	}
}

// rawClient speaks WebSocket by hand, to send what a library would not.
type rawClient struct {
	tb     testing.TB
	conn   net.Conn
	reader *bufio.Reader
	header http.Header
}

func (w *world) raw(path, headers string) *rawClient {
	w.tb.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "ws://"))
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(deadline))
	handshake := "GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + headers + "\r\n"
	if _, err := conn.Write([]byte(handshake)); err != nil {
		w.tb.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		w.tb.Fatalf("handshake: %v, %v", response, err)
	}
	return &rawClient{w.tb, conn, reader, response.Header}
}

// send sends one frame, masked with zeros.
func (c *rawClient) send(opcode byte, final bool, payload []byte) {
	c.tb.Helper()
	if final {
		opcode |= 0x80
	}
	frame := []byte{opcode, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{opcode, 0x80 | 126}, uint16(len(payload)))
	}
	frame = append(frame, 0, 0, 0, 0)
	if _, err := c.conn.Write(append(frame, payload...)); err != nil {
		c.tb.Fatal(err)
	}
}

// receive returns the next frame.
func (c *rawClient) receive() (opcode byte, payload []byte) {
	c.tb.Helper()
	var head [2]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		c.tb.Fatal(err)
	}
	length := int(head[1])
	if length == 126 {
		var wide [2]byte
		if _, err := io.ReadFull(c.reader, wide[:]); err != nil {
			c.tb.Fatal(err)
		}
		length = int(binary.BigEndian.Uint16(wide[:]))
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(c.reader, payload); err != nil {
		c.tb.Fatal(err)
	}
	return head[0], payload
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
	final          = 0x80
)

func TestFragmentsPingsAndHeartbeats(t *testing.T) {
	t.Parallel()
	c := start(t, nil).raw("/v2/iex", "")
	if opcode, payload := c.receive(); opcode != final|opText || string(payload) != `[`+connected+`]` {
		t.Fatalf("greeting: %x %s", opcode, payload)
	}
	c.send(opText, false, []byte(authKey1[:10])) // alpaca-py sends its messages in fragments
	c.send(opPing, true, []byte("between"))
	if opcode, payload := c.receive(); opcode != final|opPong || string(payload) != "between" {
		t.Errorf("pong: %x %q", opcode, payload)
	}
	c.send(opContinuation, false, []byte(authKey1[10:20]))
	c.send(opContinuation, true, []byte(authKey1[20:]))
	if _, payload := c.receive(); string(payload) != `[`+authenticated+`]` {
		t.Errorf("answer: %s", payload)
	}
	counter := []byte{0xce, 0, 0, 1, 0} // the JavaScript SDK's ping payload, MessagePack
	c.send(opPing, true, counter)
	if opcode, payload := c.receive(); opcode != final|opPong || !bytes.Equal(payload, counter) {
		t.Errorf("pong: %x %x", opcode, payload)
	}
	c.send(opBinary, true, []byte{1}) // a heartbeat changes nothing
	c.send(opBinary, true, []byte(`{"action":"subscribe","trades":["A"]}`))
	if _, payload := c.receive(); !bytes.Contains(payload, []byte(`"trades":["A"]`)) {
		t.Errorf("answer: %s", payload)
	}
	c.send(opClose, true, []byte{0x03, 0xe8})
	if opcode, payload := c.receive(); opcode != final|opClose || !bytes.Equal(payload, []byte{0x03, 0xe8}) {
		t.Errorf("goodbye: %x %x", opcode, payload)
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := w.raw("/v2/iex", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
	if got := c.header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
		t.Errorf("extensions: %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, w.url+"/v2/sip", &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 24)
	p := &peer{tb: t, conn: conn}
	defer p.abort()
	p.expect(connected)
	p.send(authKey1)
	p.expect(authenticated)
	p.subscribe(`"quotes":["*"]`)
	for range 5 {
		w.clock.Advance(time.Second)
		p.skipTo("q")
	}
}

// TestSlowClient checks that a client that does not read loses its connection, and that nobody waits for it.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *feed.Settings) { s.Buffer, s.Connections = 1000, 2 })
	slow := w.raw("/v2/sip", "")
	_ = slow.conn.(*net.TCPConn).SetReadBuffer(4096)
	slow.receive()
	slow.send(opText, true, []byte(authKey1))
	slow.receive()
	slow.send(opText, true, []byte(`{"action":"subscribe","quotes":["*"]}`))
	slow.receive()

	quick := w.enter("/v2/sip", nil)
	quick.subscribe(`"quotes":["AAPL"]`)
	w.keepAdvancing(time.Second)
	eventually(t, "the slow client is gone", func() bool {
		quick.skipTo("q") // and the quick one is served all the while
		return w.hub.Complain(feed.Stocks, "K1", 500) == 1
	})
}

// TestSlowClientIsTold checks the message that a client finds when it begins to read in time.
func TestSlowClientIsTold(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *feed.Settings) { s.Buffer = 50 })
	p := w.enter("/v2/sip", nil)
	p.subscribe(`"quotes":["*"]`)
	w.clock.Advance(time.Second) // more quotes than fit, at once
	found := p.skipTo("error")
	if found["code"] != 407.0 || found["msg"] != "slow client" {
		t.Errorf("error: %v", found)
	}
	if status := p.expectEnd(); status != websocket.StatusPolicyViolation {
		t.Errorf("close status %v", status)
	}
}

func TestUpgradeNeedsWebSocket(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	response, err := http.Get("http" + strings.TrimPrefix(w.url, "ws") + "/v2/iex")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("status %d", response.StatusCode)
	}
}
