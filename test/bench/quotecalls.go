package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	callInstances   = 3
	callClients     = 1_200
	goalCallsPerTTL = 1.0
	quoteTTL        = time.Second
)

// counter is a proxy in front of the emulated Alpaca that counts the market-data calls.
type counter struct {
	url   string
	calls atomic.Int64
	stop  func()
}

func startCounter(ctx context.Context, upstream string) (*counter, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{url: "http://" + listener.Addr().String()}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/stocks/") {
			c.calls.Add(1)
		}
		proxy.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() {
		_ = server.Serve(listener) // it ends with stop
		close(done)
	}()
	c.stop = func() {
		_ = server.Close()
		<-done
	}
	return c, nil
}

// measureCalls has 1,200 clients of three instances ask for one symbol, and counts what reaches Alpaca. Then it starts
// instances that find the quote in Redis.
func measureCalls(ctx context.Context, o options) ([]row, error) {
	b, err := startBacking(ctx, o.bin)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	upstream, err := startCounter(ctx, b.emulator.URL())
	if err != nil {
		return nil, err
	}
	defer upstream.stop()
	calls, err := measureSharedCalls(ctx, o, b, upstream)
	if err != nil {
		return nil, err
	}
	cold, err := measureColdQuote(ctx, o, b, upstream)
	return []row{calls, cold}, err
}

func measureSharedCalls(ctx context.Context, o options, b *backing, upstream *counter) (row, error) {
	var instances []*served
	defer func() {
		for _, instance := range instances {
			instance.stop()
		}
	}()
	for range callInstances {
		instance, err := b.serveQuote(ctx, o.bin, "ALPACA_DATA_URL="+upstream.url)
		if err != nil {
			return row{}, err
		}
		instances = append(instances, instance)
	}
	before := upstream.calls.Load()
	begin := time.Now()
	var clients sync.WaitGroup
	var mu sync.Mutex
	var problems error
	answers := 0
	for _, instance := range instances {
		clients.Go(func() {
			// Paced, so that three instances and the clients fit on the machine and no read waits for a processor for long.
			l := openLoad{address: instance.address, connections: callClients / callInstances, rate: callClients, span: o.load, next: b.request()}
			got, err := l.run(ctx)
			if err == nil && got.errors > 0 {
				err = fmt.Errorf("statuses %v", got.statuses)
			}
			mu.Lock()
			defer mu.Unlock()
			problems, answers = errors.Join(problems, err), answers+got.answers
		})
	}
	clients.Wait()
	elapsed := time.Since(begin)
	if problems != nil {
		return row{}, problems
	}
	made := upstream.calls.Load() - before
	return row{
		what: fmt.Sprintf("upstream calls a TTL, %d instances", callInstances), unit: "", goal: goalCallsPerTTL,
		figure: float64(made) / (elapsed.Seconds()/quoteTTL.Seconds() + 1), // the first one is at the beginning of the first TTL
		spread: fmt.Sprintf("%d calls in %.1f s for %d answers to %d clients", made, elapsed.Seconds(), answers, callClients),
	}, nil
}

// measureColdQuote starts instances while Redis has a fresh quote: the first answer costs no upstream call.
func measureColdQuote(ctx context.Context, o options, b *backing, upstream *counter) (row, error) {
	const warm = "CACHE_TTL=5m"
	stale := []string{"ALPACA_DATA_URL=" + upstream.url, warm, "CACHE_TTL_CLOSED=5m", "CACHE_STALE_FOR=10m"}
	instance, err := b.serveQuote(ctx, o.bin, stale...)
	if err != nil {
		return row{}, err
	}
	instance.stop()
	cold := *b
	cold.environ = b.quoteEnviron(stale...)
	before := upstream.calls.Load()
	var first []float64
	for range o.runs {
		s, err := startOnce(ctx, o.bin+"/quote", functions()[0], &cold, false)
		if err != nil {
			return row{}, err
		}
		first = append(first, milliseconds(s.first200))
	}
	slices.Sort(first)
	made := newRow("quote: exec to first 200, from Redis", first, goalFirst200, "ms")
	made.spread += fmt.Sprintf("; %d upstream calls by %d cold instances", upstream.calls.Load()-before, o.runs)
	return made, nil
}
