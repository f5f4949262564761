package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// stages are the parts of a cold start, in order, each ending with what its name says.
var stages = []struct{ name, what string }{
	{"created", "activator, autoscaler: the request to the pod's creation"}, {"scheduled", "scheduler"},
	{"started", "kubelet: volumes, sandbox, containers started"}, {"ready", "process up, queue-proxy ready, kubelet's report"},
	{"answered", "routed and answered"}, {"whole", "whole"},
}

// Breakdown shows where the time of a cold start goes, hello beside every function, by when the API server reported each
// stage of the pod.
func (b *Bench) Breakdown(ctx context.Context, runs int) error {
	parts := map[string]map[string]Figures{}
	for _, f := range coldFunctions() {
		parts[f.name] = map[string]Figures{}
	}
	for run := range runs {
		for i := range coldFunctions() {
			f := coldFunctions()[(run+i)%len(coldFunctions())]
			if err := b.allZero(ctx); err != nil {
				return err
			}
			if err := b.stages(ctx, f, parts[f.name]); err != nil {
				return err
			}
		}
	}
	header := ""
	for _, f := range coldFunctions() {
		header += " | " + f.name
	}
	b.say("\nmedian times of a cold start, %d runs: part%s", runs, header)
	for _, stage := range stages {
		row := stage.what
		for _, f := range coldFunctions() {
			row += fmt.Sprintf(" | %s", parts[f.name][stage.name].Quantile(0.5).Round(time.Millisecond))
		}
		b.say("%s", row)
	}
	return nil
}

// stages measures one cold start of f.
func (b *Bench) stages(ctx context.Context, f function, parts map[string]Figures) error {
	watch := b.watchPods(ctx, f.name)
	begun := time.Now()
	if err := b.get(ctx, b.Inner, hostOf(f.name), f.path); err != nil {
		return err
	}
	answered := time.Since(begun)
	seen := watch()
	last := time.Duration(0)
	for _, stage := range stages {
		if at, ok := seen[stage.name]; ok {
			parts[stage.name] = append(parts[stage.name], at.Sub(begun)-last)
			last = at.Sub(begun)
		}
	}
	parts["answered"] = append(parts["answered"], answered-last)
	parts["whole"] = append(parts["whole"], answered)
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
