package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
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

// function is one that cold starts are measured of, by a request for path or by an event of type kind.
type function struct{ name, path, kind string }

// coldFunctions has the peer first.
func coldFunctions() []function {
	return []function{
		{"hello", "/", "measure.hello"},
		{"quote", "/api/v1/stocks/AAPL/quote", ""},
		// The sweeper's tick: the whole of the function's event path without an order at the end.
		{"order", "/api/v1/orders?status=open", "ai.opitios.sweep.tick"},
		{"account", "/api/v1/account", ""},
	}
}

// ColdStarts measures the time from a request at zero to its answer.
func (b *Bench) ColdStarts(ctx context.Context) error {
	return b.inTurn(ctx, "request", coldFunctions(), func(f function) error { return b.get(ctx, b.Inner, hostOf(f.name), f.path) })
}

// ColdEvents measures the time from a publish to the delivery to a function at zero.
func (b *Bench) ColdEvents(ctx context.Context) error {
	withEvents := slices.DeleteFunc(coldFunctions(), func(f function) bool { return f.kind == "" })
	return b.inTurn(ctx, "event", withEvents, func(f function) error { return b.publish(ctx, random(), f.kind, "{}", nil) })
}

// inTurn times start for each function in turn, so that what the machine does beside it falls on all. Nothing else runs
// down meanwhile, and who follows whom changes with every run: what is left of the end of one start slows the next.
//
// The kubelet looks at its containers once a second (genericPlegRelistPeriod in pkg/kubelet/kubelet.go) and reports a pod's
// address only then, so that a start ends at one of these looks, whatever moment its containers were up at. The runs are
// spread evenly over that second, the same for every function: otherwise luck decides about a tenth of a median.
func (b *Bench) inTurn(ctx context.Context, by string, functions []function, start func(function) error) error {
	parts := map[string]map[string]Figures{}
	for _, f := range functions {
		parts[f.name] = map[string]Figures{}
	}
	for run := range b.Runs {
		order := rand.New(rand.NewPCG(0, uint64(run))).Perm(len(functions)) // the same at every run
		for _, i := range order {
			f := functions[i]
			if err := b.allZero(ctx); err != nil {
				return err
			}
			after := time.Second * time.Duration(2*run+1) / time.Duration(2*b.Runs)
			if err := b.stages(ctx, f.name, after, parts[f.name], func() error { return start(f) }); err != nil {
				return err
			}
		}
		b.say("%d of %d cold starts each by %s", run+1, b.Runs, by)
	}
	b.say("\ncold start by %s, %d runs: function | median | P95 | of hello's median", by, b.Runs)
	for _, f := range functions {
		taken := parts[f.name][whole]
		b.say("%s | %s | %.2f", f.name, taken, taken.Quantile(0.5).Seconds()/parts["hello"][whole].Quantile(0.5).Seconds())
	}
	b.breakdown(functions, parts)
	return nil
}

// allZero waits until nothing that a cold start is measured of has a pod.
func (b *Bench) allZero(ctx context.Context) error {
	var names []string
	for _, f := range coldFunctions() {
		names = append(names, f.name)
	}
	return b.zero(ctx, names...)
}
