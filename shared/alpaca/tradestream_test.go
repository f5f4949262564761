package alpaca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func eventLine(id string) string {
	return `data: {"event_id":"` + id + `","event":"fill","order":{"id":"o-1"},"price":"1.5","qty":"2"}` + "\n\n"
}

// streaming writes the chunks and then ends the stream, or keeps it open until the client leaves.
func streaming(open bool, chunks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, chunk := range chunks {
			_, _ = io.WriteString(w, chunk)
			_ = http.NewResponseController(w).Flush()
		}
		if open {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}
}

func TestTradeEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		chunks []string
		ids    []string
		want   error
	}{
		{"events and heartbeats", []string{":heartbeat\n\n", eventLine("1"), ": heartbeat\n", eventLine("2")}, []string{"1", "2"}, ErrStreamEnded},
		{"split anywhere", strings.SplitAfter(eventLine("1")+eventLine("2"), ""), []string{"1", "2"}, ErrStreamEnded},
		{"CRLF, no space, two data lines", []string{"data:{\"event_id\":\"1\",\r\ndata:\"event\":\"new\",\"order\":{\"id\":\"o\"}}\r\n\r\n"}, []string{"1"}, ErrStreamEnded},
		{"other fields", []string{"id: 7\nevent: x\nretry: 10\n\n", eventLine("1")}, []string{"1"}, ErrStreamEnded},
		{"cut off", []string{eventLine("1"), `data: {"event_id":"2"`}, []string{"1"}, ErrStreamEnded},
		{"slow reader", []string{eventLine("1"), ": you are reading too slowly, dropped 12 messages\n\n", eventLine("14")}, []string{"1"}, ErrEventsDropped},
		{"server error", []string{": internal server error\n\n"}, nil, ErrStreamEnded},
		{"not JSON", []string{"data: <html>\n\n"}, nil, ErrMalformedEvent},
		{"not an event", []string{"data: {\"hello\":1}\n\n"}, nil, ErrMalformedEvent},
		{"endless line", []string{"data: " + strings.Repeat("x", maxStreamLine+1)}, nil, errLineTooLong},
		{"endless event", []string{strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 1200)}, nil, errLineTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := startUpstream(t, streaming(false, test.chunks...))
			var ids []string
			err := up.client(t).TradeEvents(t.Context(), testCredentials, TradeEventsQuery{}, func(e TradeEvent) error {
				ids = append(ids, e.EventID)
				return nil
			})
			if !errors.Is(err, test.want) || !slices.Equal(ids, test.ids) {
				t.Errorf("events %q, %v; want %q, %v", ids, err, test.ids, test.want)
			}
		})
	}
}

func TestTradeEventsStart(t *testing.T) {
	t.Parallel()
	for want, query := range map[string]TradeEventsQuery{
		"":                    {},
		"since_id=01K0YBCDEF": {SinceID: "01K0YBCDEF"},
		"since=2026-09-28T14%3A30%3A00.000000001Z": {Since: testNow.Add(1).In(time.FixedZone("EDT", -4*3600))},
	} {
		var sent atomic.Value
		up := startUpstream(t, func(_ http.ResponseWriter, r *http.Request) { sent.Store(r.URL.RawQuery) })
		err := up.client(t).TradeEvents(t.Context(), testCredentials, query, nil)
		if !errors.Is(err, ErrStreamEnded) || sent.Load() != want {
			t.Errorf("sent %q, %v; want %q", sent.Load(), err, want)
		}
	}
}

func TestTradeEventsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, streaming(true, eventLine("1")))
	ctx, cancel := context.WithCancel(t.Context())
	err := up.client(t).TradeEvents(ctx, testCredentials, TradeEventsQuery{}, func(TradeEvent) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("TradeEvents = %v", err)
	}
}

func TestTradeEventsReturnsTheHandlersError(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, streaming(true, eventLine("1")))
	want := errors.New("store is full")
	err := up.client(t).TradeEvents(t.Context(), testCredentials, TradeEventsQuery{}, func(TradeEvent) error { return want })
	if !errors.Is(err, want) {
		t.Fatalf("TradeEvents = %v", err)
	}
}

func TestTradeEventsWatchesTheStream(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, streaming(true, eventLine("1")))
	client := up.client(t, func(cfg *Config) { cfg.StreamIdleTimeout = 100 * time.Millisecond })
	err := client.TradeEvents(t.Context(), testCredentials, TradeEventsQuery{}, func(TradeEvent) error { return nil })
	if !errors.Is(err, ErrStreamIdle) {
		t.Fatalf("silent stream = %v", err)
	}
	up = startUpstream(t, silent)
	client = up.client(t, func(cfg *Config) { cfg.Timeout = 100 * time.Millisecond })
	err = client.TradeEvents(t.Context(), testCredentials, TradeEventsQuery{}, nil)
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("stream that does not open = %v", err)
	}
}

func TestTradeEventsIsRefused(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{401: ErrUnauthorized, 429: ErrRateLimited, 503: ErrUnavailable, 302: ErrUnavailable} {
		up := startUpstream(t, answering(status, `{"message":"no"}`))
		err := up.client(t).TradeEvents(t.Context(), testCredentials, TradeEventsQuery{}, nil)
		if !errors.Is(err, want) {
			t.Errorf("status %d = %v, want %v", status, err, want)
		}
	}
}

// TestStreamsLeaveRoomForOrders: streams stay open for hours and must not use up the bounded connections.
func TestStreamsLeaveRoomForOrders(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/events/trades" {
			streaming(true, eventLine("1"))(w, r)
			return
		}
		answering(200, `{"id":"o"}`)(w, r)
	})
	client := up.client(t, func(cfg *Config) { cfg.MaxConnsPerHost = 1 })
	done := errors.New("done")
	err := client.TradeEvents(t.Context(), testCredentials, TradeEventsQuery{}, func(TradeEvent) error {
		if err := place(t.Context(), client); err != nil {
			return err
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Fatalf("order beside a stream = %v", err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var silences atomic.Int64
		alive, stop := watch(time.Minute, func() { silences.Add(1) })
		for range 10 {
			time.Sleep(59 * time.Second) // of the bubble's time
			alive()
		}
		stop()
		time.Sleep(time.Hour)
		if silences.Load() != 0 {
			t.Error("an alive or stopped watch reported silence")
		}
		alive()
		time.Sleep(time.Minute)
		synctest.Wait()
		if silences.Load() != 1 {
			t.Error("silence was not reported")
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(":heartbeat\n\n" + eventLine("1")))
	f.Add([]byte("data\ndata:\r\n\r\n: x\n\xff\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, wholeErr := readFrames(bytes.NewReader(stream))
		slow, slowErr := readFrames(oneByteReader{bytes.NewReader(stream)})
		if !slices.Equal(whole, slow) || wholeErr.Error() != slowErr.Error() {
			t.Fatalf("frames depend on how the bytes arrive: %q and %q", whole, slow)
		}
		if !errors.Is(wholeErr, io.EOF) && !errors.Is(wholeErr, errLineTooLong) {
			t.Fatal(wholeErr)
		}
	})
}

type oneByteReader struct{ r io.Reader }

func (o oneByteReader) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

func readFrames(r io.Reader) (frames []string, err error) {
	reader := newFrameReader(r, func() {})
	for {
		next, err := reader.next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, fmt.Sprintf("%q %q", next.data, next.comment))
	}
}
