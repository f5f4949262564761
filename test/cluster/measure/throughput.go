package measure

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Throughput compares one pod through the queue-proxy, through the activator and without both, hello and quote.
func (b *Bench) Throughput(ctx context.Context) error {
	b.say("\nthroughput of one warm pod, 16 connections for 5 s: way | requests/s | median | P95 | errors")
	for _, f := range []function{{name: "hello", path: "/"}, {name: "quote", path: "/healthz"}, {name: "quote", path: "/api/v1/stocks/AAPL/quote"}} {
		if err := b.throughputOf(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bench) throughputOf(ctx context.Context, f function) error {
	host := hostOf(f.name)
	if err := b.keep(ctx, f.name, 1); err != nil {
		return err
	}
	defer func() { _ = b.release(context.WithoutCancel(ctx), f.name) }() // the pod goes by itself, too
	pods, err := b.pods(ctx, f.name)
	if err != nil {
		return err
	}
	revision, err := b.k(ctx, "get", "ksvc", f.name, "-o", "jsonpath={.status.latestReadyRevisionName}")
	if err != nil {
		return err
	}
	activator, err := b.kubectl(ctx, nil, "-n", "knative-serving", "get", "service", "activator-service", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return err
	}
	address := pods[0].Status.PodIP
	for _, way := range []struct {
		name, base string
		header     http.Header
	}{
		{"the function directly", "http://" + address + ":8080", nil},
		{"queue-proxy", "http://" + address + ":8012", nil},
		{"activator, queue-proxy", "http://" + activator, http.Header{"Knative-Serving-Namespace": {Namespace}, "Knative-Serving-Revision": {revision}}},
		{"ingress, queue-proxy", b.Inner, nil},
	} {
		result := b.load(ctx, 16, 5*time.Second, way.base+f.path, host, way.header)
		b.say("%s %s: %s | %s", f.name, f.path, way.name, result)
	}
	return nil
}

// result is what came of a load.
type result struct {
	figures Figures
	errors  int64
	lasted  time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%.0f | %s | %d", float64(len(r.figures))/r.lasted.Seconds(), r.figures, r.errors)
}

// load asks as fast as so many connections can. A refusal for the account's limit (429) is an answer.
func (b *Bench) load(ctx context.Context, connections int, lasts time.Duration, address, host string, header http.Header) result {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var workers sync.WaitGroup
	var failed atomic.Int64
	all := make([]Figures, connections)
	begun := time.Now()
	for i := range connections {
		workers.Go(func() {
			for time.Since(begun) < lasts && ctx.Err() == nil {
				at := time.Now()
				if err := b.one(ctx, client, address, host, header); err != nil {
					failed.Add(1)
					continue
				}
				all[i] = append(all[i], time.Since(at))
			}
		})
	}
	workers.Wait()
	r := result{errors: failed.Load(), lasted: time.Since(begun)}
	for _, figures := range all {
		r.figures = append(r.figures, figures...)
	}
	return r
}

func (b *Bench) one(ctx context.Context, client *http.Client, address, host string, header http.Header) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	request.Host = host
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+b.token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		if _, err := response.Body.Read(buffer); err != nil {
			break
		}
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// keep has a function keep so many pods, as the warm-up does, and waits for them.
func (b *Bench) keep(ctx context.Context, function string, pods int) error {
	if err := b.annotate(ctx, function, `"`+strconv.Itoa(pods)+`"`); err != nil {
		return err
	}
	deadline := time.Now().Add(zeroTime)
	for {
		found, err := b.pods(ctx, function)
		if err != nil {
			return err
		}
		ready := 0
		for _, p := range found {
			for _, c := range p.Status.Conditions {
				if c.Type == "Ready" && c.Status == "True" {
					ready++
				}
			}
		}
		if ready >= pods {
			time.Sleep(time.Second) // for the endpoints to get about
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %d of %d pods are ready", function, ready, pods)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (b *Bench) release(ctx context.Context, function string) error {
	return b.annotate(ctx, function, "null")
}

func (b *Bench) annotate(ctx context.Context, function, value string) error {
	revision, err := b.k(ctx, "get", "ksvc", function, "-o", "jsonpath={.status.latestReadyRevisionName}")
	if err != nil {
		return err
	}
	_, err = b.k(ctx, "patch", "revision", revision, "--type=merge", "-p",
		`{"metadata":{"annotations":{"autoscaling.knative.dev/min-scale":`+value+`}}}`)
	return err
}

// OpenBurst is the market's open: from one moment to the next fifty clients ask, of a function that is at zero and of one
// that the warm-up has made ready.
func (b *Bench) OpenBurst(ctx context.Context) error {
	b.say("\nopen burst on quote, 50 clients for 10 s: state | requests/s | median | P95 | errors | slowest")
	host := hostOf("quote")
	for _, warm := range []bool{false, true} {
		if err := b.zero(ctx, "quote"); err != nil {
			return err
		}
		name := "at zero"
		if warm {
			name = "warmed up to 3"
			if err := b.keep(ctx, "quote", 3); err != nil {
				return err
			}
		}
		r := b.load(ctx, 50, 10*time.Second, b.Inner+"/api/v1/stocks/AAPL/quote", host, nil)
		b.say("%s | %s | %s", name, r, round(r.figures.Quantile(1)))
		if err := b.release(ctx, "quote"); err != nil {
			return err
		}
	}
	return nil
}

// Memory shows what idle pods take: the resident memory of the function's own process and of the queue-proxy beside it.
// It reads this machine's processes, so it works where the node is this machine.
func (b *Bench) Memory(ctx context.Context) error {
	b.say("\nmemory of idle pods: process | resident MiB")
	names := []string{"hello", "quote", "order", "account"}
	for _, name := range names {
		if err := b.keep(ctx, name, 1); err != nil {
			return err
		}
		defer func() { _ = b.release(context.WithoutCancel(ctx), name) }() // they go by themselves, too
	}
	time.Sleep(5 * time.Second)
	for _, name := range names {
		pods, err := b.pods(ctx, name)
		if err != nil {
			return err
		}
		for process, resident := range processesOf(pods[0].Metadata.Name) {
			b.say("%s: %s | %.1f", name, process, float64(resident)/1024)
		}
	}
	return nil
}

// processesOf are the resident KiB of the processes of a pod, by program; a pod's containers have its name as theirs.
func processesOf(pod string) map[string]int {
	found := map[string]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		environment, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err != nil || !strings.Contains(string(environment), "HOSTNAME="+pod+"\x00") {
			continue
		}
		program, err := os.Readlink("/proc/" + entry.Name() + "/exe")
		status, errStatus := os.ReadFile("/proc/" + entry.Name() + "/status")
		if err != nil || errStatus != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
				resident, _ := strconv.Atoi(fields[1]) // the kernel writes numbers
				found[program] += resident
			}
		}
	}
	return found
}
