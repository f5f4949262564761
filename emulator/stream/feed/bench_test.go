package feed_test

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// BenchmarkThousandStreams measures how many messages a second reach 1,000 clients with ten symbols each, and what the server
// and the clients together hold in memory.
func BenchmarkThousandStreams(b *testing.B) {
	for _, codec := range []string{"application/json", "application/msgpack"} {
		b.Run(codec, func(b *testing.B) { thousandStreams(b, codec) })
	}
}

func thousandStreams(b *testing.B, codec string) {
	const streams, symbols = 1000, 10
	before := heap()
	w := start(b, func(s *feed.Settings) { s.Connections, s.Interval = streams, time.Millisecond })
	list := strings.Split("AAPL,MSFT,NVDA,AMZN,META,TSLA,JPM,V,WMT,XOM", ",")
	peers := make([]*peer, streams)
	var open sync.WaitGroup
	gate := make(chan struct{}, 16)
	for i := range peers {
		open.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			p := w.enter("/v2/sip", map[string][]string{"Content-Type": {codec}})
			p.subscribe(`"quotes":["` + strings.Join(list, `","`) + `"]`)
			peers[i] = p
		})
	}
	open.Wait()
	memory := float64(heap()-before) / 1024 / streams
	var received atomic.Int64
	var readers sync.WaitGroup
	for _, p := range peers {
		readers.Go(func() {
			for {
				_, frame, err := p.frame()
				if err != nil {
					return
				}
				received.Add(int64(count(codec, frame)))
			}
		})
	}
	b.ResetTimer()
	for range b.N { // every tick: ten quotes to each client
		goal := received.Load() + streams*symbols
		w.clock.Advance(250 * time.Millisecond)
		for received.Load() < goal {
			time.Sleep(100 * time.Microsecond)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*streams*symbols)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(memory, "KiB/stream")
	for _, p := range peers {
		p.abort()
	}
	readers.Wait()
}

// count returns how many quotes a frame holds.
func count(codec string, frame []byte) int {
	if codec == "application/json" {
		return strings.Count(string(frame), `"T":"q"`)
	}
	return strings.Count(string(frame), "\xa1T\xa1q")
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// BenchmarkWholeMarket measures a tick for a client that wants everything of every stock.
func BenchmarkWholeMarket(b *testing.B) {
	for _, path := range []string{"/v2/sip", "/v1beta3/crypto/us", "/v1beta1/opra"} {
		b.Run(path, func(b *testing.B) {
			w := start(b, func(s *feed.Settings) { s.Buffer = 1 << 24 })
			p := w.enter(path, packed())
			lists := `"trades":["*"]`
			if path != "/v1beta1/opra" {
				lists += `,"quotes":["*"],"bars":["*"],"dailyBars":["*"]`
			}
			p.subscribe(lists)
			var reader sync.WaitGroup
			reader.Go(func() {
				for {
					if _, _, err := p.frame(); err != nil {
						return
					}
				}
			})
			defer reader.Wait()
			defer p.abort()
			now := w.clock.Now()
			b.ResetTimer()
			for range b.N {
				now = now.Add(250 * time.Millisecond)
				w.hub.Tick(path, now)
			}
		})
	}
}
