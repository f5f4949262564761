package suite

import (
	"fmt"
	"testing"
)

// warmup runs the CronJob's own job as of a time, and waits until it is done.
func (c *cluster) warmup(t *testing.T, at string) {
	t.Helper()
	var cron struct {
		Spec struct {
			JobTemplate struct {
				Spec map[string]any `json:"spec"`
			} `json:"jobTemplate"`
		} `json:"spec"`
	}
	c.object(t, &cron, "cronjob", "warmup")
	spec := cron.Spec.JobTemplate.Spec
	template, _ := spec["template"].(map[string]any)
	podSpec, _ := template["spec"].(map[string]any)
	containers, _ := podSpec["containers"].([]any)
	container, _ := containers[0].(map[string]any)
	container["args"] = []string{"-at", at}
	name := "suite-warmup-" + random()[:8]
	c.apply(t, map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]string{"name": name}, "spec": spec})
	t.Cleanup(func() { c.k(t, "delete", "job", name, "--ignore-not-found", "--wait=false") })
	eventually(t, "the warm-up is done", func() (bool, string) {
		done := c.k(t, "get", "job", name, "-o", "jsonpath={.status.succeeded}/{.status.failed}")
		return done == "1/", done
	})
}

// TestWarmup asks for pods before the open and gives them back after the rush, without a new revision.
func TestWarmup(t *testing.T) {
	before := shared.revision(t, "quote")
	annotations := func() string {
		return shared.k(t, "get", "revision", before, "-o", "jsonpath={.metadata.annotations}")
	}
	minScale := func() string {
		return shared.k(t, "get", "revision", before, "-o", `jsonpath={.metadata.annotations.autoscaling\.knative\.dev/min-scale}`)
	}
	own := minScale()
	if own != "0" && own != "" {
		t.Fatalf("min-scale is %q before", own)
	}
	for range 2 { // twice does no harm
		shared.warmup(t, "2026-12-02T14:20:00Z") // 9:20 in New York
	}
	if got := minScale(); got != "3" {
		t.Fatalf("min-scale is %q, want 3: %s", got, annotations())
	}
	eventually(t, "three pods are ready", func() (bool, string) {
		ready := 0
		for _, p := range shared.pods(t, "quote") {
			if p.ready() {
				ready++
			}
		}
		return ready >= 3, fmt.Sprintf("%d ready", ready)
	})
	shared.warmup(t, "2026-12-02T15:10:00Z") // 10:10
	if got := minScale(); got != own {
		t.Errorf("min-scale is %q after, want %q: %s", got, own, annotations())
	}
	shared.toZero(t, "quote")
	if after := shared.revision(t, "quote"); after != before {
		t.Errorf("revision %s became %s", before, after)
	}
}
