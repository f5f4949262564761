package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// zeroTime bounds the wait for a function to go to zero; it takes about 10 s where the window is 6 s.
const zeroTime = 3 * time.Minute

// podList is what is read of pods.
type podList struct {
	Items []pod `json:"items"`
}

type pod struct {
	Metadata struct {
		Name      string     `json:"name"`
		Created   time.Time  `json:"creationTimestamp"`
		DeletedAt *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		PodIP      string      `json:"podIP"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type, Status string
	At           time.Time `json:"lastTransitionTime"`
}

// pods are those of a function that stay.
func (b *Bench) pods(ctx context.Context, function string) ([]pod, error) {
	text, err := b.k(ctx, "get", "pods", "-o", "json", "-l", "serving.knative.dev/service="+function)
	if err != nil {
		return nil, err
	}
	var list podList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	var staying []pod
	for _, p := range list.Items {
		if p.Metadata.DeletedAt == nil {
			staying = append(staying, p)
		}
	}
	return staying, nil
}

// zero waits until a function has no pod, and a little longer, so that its end is over.
func (b *Bench) zero(ctx context.Context, functions ...string) error {
	deadline := time.Now().Add(zeroTime)
	for {
		left := 0
		for _, function := range functions {
			pods, err := b.pods(ctx, function)
			if err != nil {
				return err
			}
			left += len(pods)
		}
		if left == 0 {
			time.Sleep(time.Second)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%v: still %d pods after %s", functions, left, zeroTime)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// function is one that cold starts are measured of.
type function struct{ name, path string }

// ColdStarts measures the time from a request at zero to its answer, hello and the functions in turn, so that what the
// machine does beside it falls on both.
func (b *Bench) ColdStarts(ctx context.Context) error {
	functions := []function{
		{"hello", "/"}, {"quote", "/api/v1/stocks/AAPL/quote"}, {"order", "/api/v1/orders?status=open"}, {"account", "/api/v1/account"},
	}
	taken := map[string]Figures{}
	for range b.Runs {
		for _, f := range functions {
			if err := b.zero(ctx, f.name); err != nil {
				return err
			}
			begun := time.Now()
			if err := b.get(ctx, b.Inner, hostOf(f.name), f.path); err != nil {
				return err
			}
			taken[f.name] = append(taken[f.name], time.Since(begun))
		}
	}
	b.say("\ncold start by request, %d runs: function | median | P95 | of hello's median", b.Runs)
	for _, f := range functions {
		own, peer := taken[f.name], taken["hello"]
		b.say("%s | %s | %.2f", f.name, own, float64(own.Quantile(0.5))/float64(peer.Quantile(0.5)))
	}
	return nil
}

// ColdEvents measures the time from a publish to the delivery to a function at zero.
func (b *Bench) ColdEvents(ctx context.Context) error {
	var hello, order Figures
	events := []struct {
		into *Figures
		kind string
	}{
		{&hello, "measure.hello"},
		// The sweeper's tick: the whole of the function's event path without an order at the end.
		{&order, "ai.opitios.sweep.tick"},
	}
	for range b.Runs {
		for _, e := range events {
			if err := b.zero(ctx, "hello", "order"); err != nil {
				return err
			}
			begun := time.Now()
			if err := b.publish(ctx, random(), e.kind, "{}", nil); err != nil {
				return err
			}
			*e.into = append(*e.into, time.Since(begun))
		}
	}
	b.say("\ncold start by event, %d runs: function | median | P95 | of hello's median", b.Runs)
	b.say("hello | %s | 1.00", hello)
	b.say("order | %s | %.2f", order, float64(order.Quantile(0.5))/float64(hello.Quantile(0.5)))
	return nil
}
