package order_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// BenchmarkPlaceOrder is an order through the whole function: token, validation, two scripts in a real Redis, one call to an
// Alpaca that answers at once. That one runs in this process and is part of the figures.
func BenchmarkPlaceOrder(b *testing.B) {
	answer := []byte(`{"id":"61e69015-8549-4bfd-b9c3-01e75843f47d","client_order_id":"x","created_at":"2026-11-23T14:30:00Z",` +
		`"updated_at":"2026-11-23T14:30:00Z","submitted_at":"2026-11-23T14:30:00Z","asset_class":"us_equity","symbol":"AAPL","qty":"1",` +
		`"filled_qty":"0","order_class":"","order_type":"market","type":"market","side":"buy","time_in_force":"day","status":"pending_new",` +
		`"extended_hours":false,"legs":null}`)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	b.Cleanup(upstream.Close)
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip(err)
	}
	server, err := redisprocess.Start(b.Context(), false)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Stop)
	client := redis.NewClient(&redis.Options{Addr: server.Address()})
	b.Cleanup(func() { _ = client.Close() })
	bench := start(b, client, upstream.URL, func(c *orderfn.Config) {
		c.OrdersPerMinute, c.TradingRequestsPerMinute = 1_000_000_000, 1_000_000_000
	})
	var body bytes.Buffer
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		body.Reset()
		body.WriteString(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","client_order_id":"bench-` + strconv.Itoa(i) + `"}`)
		request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/api/v1/stocks/order", &body)
		request.Header.Set("Authorization", "Bearer "+bench.token)
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		bench.function.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusCreated {
			b.Fatalf("%d %s", recorder.Code, recorder.Body)
		}
	}
}
