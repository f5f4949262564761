package measure

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Breakdown shows where the time of a cold start goes, by what the kubelet and the function itself wrote down. Kubernetes'
// own times are whole seconds, so the parts come from events with microseconds and from the function's first log lines.
func (b *Bench) Breakdown(ctx context.Context, runs int) error {
	parts := map[string]Figures{}
	for range runs {
		if err := b.zero(ctx, "quote"); err != nil {
			return err
		}
		watch := b.watchPods(ctx, "quote")
		begun := time.Now()
		if err := b.get(ctx, b.Inner, hostOf("quote"), "/api/v1/stocks/AAPL/quote"); err != nil {
			return err
		}
		answered := time.Since(begun)
		seen := watch()
		last := time.Duration(0)
		for _, stage := range []string{"created", "scheduled", "started", "ready"} {
			at, ok := seen[stage]
			if !ok {
				continue
			}
			parts[stage] = append(parts[stage], at.Sub(begun)-last)
			last = at.Sub(begun)
		}
		parts["answered"] = append(parts["answered"], answered-last)
		parts["whole"] = append(parts["whole"], answered)
	}
	b.say("\ntime of a cold start of quote, %d runs: part | median | P95", runs)
	for _, part := range []struct{ stage, what string }{
		{"created", "activator, autoscaler: the request to the pod's creation"}, {"scheduled", "scheduler"},
		{"started", "kubelet: volumes, sandbox, containers started"}, {"ready", "process up, queue-proxy ready, kubelet's report"},
		{"answered", "routed and answered"}, {"whole", "whole"},
	} {
		b.say("%s | %s", part.what, parts[part.stage])
	}
	return nil
}

// watchPods follows the pods of a function and returns a function that ends that and tells when each stage was first seen.
func (b *Bench) watchPods(ctx context.Context, function string) func() map[string]time.Time {
	ctx, cancel := context.WithCancel(ctx)
	seen := map[string]time.Time{}
	done := make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(done)
		b.stream(ctx, ready, func(line string) {
			now := time.Now()
			note := func(stage string, is bool) {
				if _, ok := seen[stage]; is && !ok {
					seen[stage] = now
				}
			}
			var p struct {
				Metadata struct {
					DeletedAt *time.Time `json:"deletionTimestamp"`
				} `json:"metadata"`
				Spec struct {
					Node string `json:"nodeName"`
				} `json:"spec"`
				Status struct {
					Conditions []condition `json:"conditions"`
					Containers []struct {
						State struct {
							Running *struct{} `json:"running"`
						} `json:"state"`
					} `json:"containerStatuses"`
				} `json:"status"`
			}
			if json.Unmarshal([]byte(line), &p) != nil || p.Metadata.DeletedAt != nil {
				return
			}
			note("created", true)
			note("scheduled", p.Spec.Node != "")
			note("started", len(p.Status.Containers) > 0 && p.Status.Containers[0].State.Running != nil)
			for _, c := range p.Status.Conditions {
				note("ready", c.Type == "Ready" && c.Status == "True")
			}
		}, "get", "pods", "-l", "serving.knative.dev/service="+function, "--watch-only", "-o", "json")
	}()
	<-ready
	return func() map[string]time.Time {
		time.Sleep(300 * time.Millisecond) // the report of the pod being ready may come after the answer
		cancel()
		<-done
		return seen
	}
}

// documents splits the indented JSON that kubectl writes object after object.
func documents(text string, each func(string)) string {
	for {
		end := strings.Index(text, "\n}\n")
		if end < 0 {
			return text
		}
		each(text[:end+2])
		text = text[end+3:]
	}
}
