package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// whole is the name of a start's whole time among its stages.
const whole = "whole"

// stages are the parts of a cold start, in order, each ending with what its name says. Most are seen at the API server;
// those of the node are in containerd's log.
var stages = []struct{ name, what string }{
	{"created", "activator, autoscaler: from the request to the pod's creation"}, {"scheduled", "scheduler"},
	{"begun", "kubelet: volumes and all before the sandbox"}, {"sandbox", "sandbox with its network"},
	{"running", "both containers started"}, {"reported", "until the kubelet's next look at its containers, and its report"},
	{"ready", "process up, queue-proxy ready, kubelet's second report"}, {"answered", "routed and answered"}, {whole, "whole"},
}

// breakdown prints where the time of the starts went, hello beside every function.
func (b *Bench) breakdown(functions []function, parts map[string]map[string]Figures) {
	header := ""
	for _, f := range functions {
		header += " | " + f.name
	}
	b.say("\nmedian times of these starts: part%s", header)
	for _, stage := range stages {
		row := stage.what
		for _, f := range functions {
			row += fmt.Sprintf(" | %s", parts[f.name][stage.name].Quantile(0.5).Round(time.Millisecond))
		}
		b.say("%s", row)
	}
}

// stages measures one cold start of a function, begun at a time after one of the kubelet's looks at its containers.
func (b *Bench) stages(ctx context.Context, function string, after time.Duration, parts map[string]Figures, start func() error) error {
	log, err := openLog(b.NodeLog)
	if err != nil {
		return err
	}
	watch := b.watchPods(ctx, function)
	if !b.looked.IsZero() {
		sinceLook := time.Since(b.looked) % time.Second
		time.Sleep((after - sinceLook + time.Second) % time.Second)
	}
	begun := time.Now()
	if err := start(); err != nil {
		return err
	}
	answered := time.Since(begun)
	pod, seen := watch()
	if err := log.stages(pod, seen); err != nil {
		return err
	}
	if at, ok := seen["reported"]; ok {
		b.looked = at
	}
	last := time.Duration(0)
	for _, stage := range stages {
		if at, ok := seen[stage.name]; ok {
			parts[stage.name] = append(parts[stage.name], at.Sub(begun)-last)
			last = at.Sub(begun)
		}
	}
	parts["answered"] = append(parts["answered"], answered-last)
	parts[whole] = append(parts[whole], answered)
	return nil
}

// watchPods follows the pods of a function and returns a function that ends that and tells the first pod's name and when
// each stage of it was first seen.
func (b *Bench) watchPods(ctx context.Context, function string) func() (string, map[string]time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	seen := map[string]time.Time{}
	first := ""
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
			var p watchedPod
			if json.Unmarshal([]byte(line), &p) != nil || p.Metadata.DeletedAt != nil || first != "" && p.Metadata.Name != first {
				return
			}
			first = p.Metadata.Name
			note("created", true)
			note("scheduled", p.Spec.Node != "")
			note("reported", len(p.Status.Containers) > 0 && p.Status.Containers[0].State.Running != nil)
			for _, c := range p.Status.Conditions {
				note("ready", c.Type == "Ready" && c.Status == "True")
			}
		}, "get", "pods", "-l", "serving.knative.dev/service="+function, "--watch-only", "-o", "json")
	}()
	<-ready
	return func() (string, map[string]time.Time) {
		time.Sleep(300 * time.Millisecond) // the report of the pod being ready may come after the answer
		cancel()
		<-done
		return first, seen
	}
}

// watchedPod is what the stages are read from.
type watchedPod struct {
	Metadata struct {
		Name      string     `json:"name"`
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
