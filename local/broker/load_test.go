package broker_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/opitios-ai/alpaca-knative/knative/eventing"
	"github.com/opitios-ai/alpaca-knative/local/broker"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// TestTheClustersManifests loads what a cluster gets and checks who receives which type.
func TestTheClustersManifests(t *testing.T) {
	t.Parallel()
	definition, err := broker.Load(eventing.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		event.TypeOrderRequested: "order-commands", event.TypeOrderCancelRequested: "order-cancels",
		event.TypeSweepTick:     "order-sweep",
		event.TypeOrderAccepted: "account-order-events", event.TypeOrderRejected: "account-order-events",
		event.TypeOrderPartiallyFilled: "account-order-events", event.TypeOrderFilled: "account-order-events",
		event.TypeOrderCanceled: "account-order-events", event.TypeOrderExpired: "account-order-events",
		event.TypeOrderReplaced:  "account-order-events",
		event.TypePositionOpened: "account-position-events", event.TypePositionChanged: "account-position-events",
		event.TypePositionClosed: "account-position-events",
	}
	for _, eventType := range event.Types() {
		e, err := event.New(eventType, "/test", "acc-1", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, trigger := range definition.Triggers {
			if trigger.Filter(e) {
				got = append(got, trigger.Name)
			}
		}
		if strings.Join(got, " ") != want[eventType] {
			t.Errorf("%s goes to %v, want %q", eventType, got, want[eventType])
		}
	}
	for _, trigger := range definition.Triggers {
		if trigger.Subscriber.URI.String() != "/events" || trigger.Delivery.DeadLetterSink == nil ||
			trigger.Delivery.DeadLetterSink.String() != "service account at /events/dead-letters" {
			t.Errorf("%s: %+v", trigger.Name, trigger)
		}
	}
}

// TestRetriesOutliveTheLease: a handler that died leaves a lease behind; commands must still be tried after it.
func TestRetriesOutliveTheLease(t *testing.T) {
	t.Parallel()
	definition, err := broker.Load(eventing.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, trigger := range definition.Triggers {
		var total time.Duration
		for n := range trigger.Delivery.Retry {
			total += trigger.Delivery.Backoff(n)
		}
		if strings.HasPrefix(trigger.Name, "order-c") && total <= event.DefaultDedupeLease {
			t.Errorf("%s gives up after %s", trigger.Name, total)
		}
		if trigger.Delivery.Timeout <= event.DefaultHandlerTimeout {
			t.Errorf("%s: an attempt ends after %s, before the handler does", trigger.Name, trigger.Delivery.Timeout)
		}
	}
}

func TestDeliveryDefaults(t *testing.T) {
	t.Parallel()
	head, triggerOnly, _ := strings.Cut(oneTrigger, "---")
	sink := "deadLetterSink: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: dead}, uri: /letters}"
	cases := []struct {
		name, manifest string
		retry          int
		waits          []time.Duration
		timeout        time.Duration
		sink           bool
	}{
		{"the broker's", oneTrigger, 3, []time.Duration{200e6, 400e6, 800e6}, 30 * time.Second, true},
		{"the cluster's", "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: opitios}\n---" + triggerOnly,
			10, []time.Duration{200e6, 400e6, 800e6}, 30 * time.Second, false},
		{"the trigger's replaces all but the sink", oneTrigger + "  delivery: {retry: 2, backoffPolicy: linear, " +
			"backoffDelay: PT1M, timeout: PT5S}\n", 2, []time.Duration{0, time.Minute, 2 * time.Minute}, 5 * time.Second, true},
		{"no policy, no wait", oneTrigger + "  delivery: {retry: 1}\n", 1, []time.Duration{0, 0}, 30 * time.Second, true},
		{"no sink", strings.Replace(head, sink, "", 1) + "---" + triggerOnly, 3, nil, 30 * time.Second, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := load(t, c.manifest).Triggers[0].Delivery
			if got.Retry != c.retry || got.Timeout != c.timeout || (got.DeadLetterSink != nil) != c.sink {
				t.Errorf("got %+v", got)
			}
			for n, want := range c.waits {
				if got.Backoff(n) != want {
					t.Errorf("wait %d is %s, want %s", n, got.Backoff(n), want)
				}
			}
		})
	}
}

func TestBackoffDoesNotOverflow(t *testing.T) {
	t.Parallel()
	d := broker.Delivery{BackoffPolicy: broker.BackoffExponential, BackoffDelay: time.Second}
	if got := d.Backoff(2000); got != 24*time.Hour {
		t.Fatalf("got %s", got)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	edit := func(old, replacement string) string { return strings.Replace(oneTrigger, old, replacement, 1) }
	service := "subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: app}, uri: /events}"
	with := func(field string) string { return oneTrigger + "  " + field + "\n" }
	cases := []struct{ name, manifest, message string }{
		{"nothing", "", "one Broker"},
		{"two brokers", oneTrigger + "---\n" + oneTrigger, "one Broker"},
		{"not YAML", "a: [", "not YAML"},
		{"a list", "- a", "not a manifest"},
		{"another kind", oneTrigger + "---\nkind: Sequence\n", `"Sequence"`},
		{"another version", edit("eventing.knative.dev/v1", "eventing.knative.dev/v1beta1"), "apiVersion"},
		{"no broker name", edit("metadata: {name: opitios}", "metadata: {}"), "metadata.name"},
		{"no trigger name", edit("metadata: {name: all}", "metadata: {}"), "metadata.name"},
		{"same name twice", oneTrigger + "---" + strings.SplitN(oneTrigger, "---", 2)[1], `"all"`},
		{"namespace", edit("metadata: {name: all}", "metadata: {name: all, namespace: x}"), "namespace"},
		{"missing broker", edit("  broker: opitios", "  broker: other"), "spec.broker"},
		{"broker config", edit("spec:\n  delivery:", "spec:\n  config: {name: x}\n  delivery:"), "config"},
		{"unknown field", with("filterz: {}"), "filterz"},
		{"unknown filter field", with("filter: {attribute: {}}"), "attribute"},
		{"unknown dialect", with("filters: [{regex: {type: a}}]"), "regex"},
		{"cesql", with(`filters: [{cesql: "type = 'a'"}]`), "spec.filters[0].cesql"},
		{"nested cesql", with(`filters: [{any: [{not: {cesql: "TRUE"}}]}]`), "spec.filters[0].any[0].not.cesql"},
		{"no dialect", with("filters: [{}]"), "spec.filters[0]"},
		{"two dialects", with("filters: [{exact: {type: a}, prefix: {type: b}}]"), "exactly one dialect"},
		{"empty value", with(`filters: [{prefix: {type: ""}}]`), "spec.filters[0].prefix.type"},
		{"bad attribute", with("filters: [{exact: {Type: a}}]"), "spec.filters[0].exact"},
		{"bad attribute of filter", with("filter: {attributes: {ce-type: a}}"), "spec.filter.attributes"},
		{"no subscriber", edit(service, ""), "spec.subscriber"},
		{"empty subscriber", edit(service, "subscriber: {}"), "spec.subscriber"},
		{"relative uri alone", edit(service, "subscriber: {uri: /events}"), "spec.subscriber.uri"},
		{"other scheme", edit(service, "subscriber: {uri: 'ftp://x/y'}"), "spec.subscriber.uri"},
		{"absolute uri beside a ref", edit("uri: /events", "uri: 'http://x/'"), "spec.subscriber.uri"},
		{"uri that is none", edit("uri: /events", "uri: '%zz'"), "spec.subscriber.uri"},
		{"ref to a channel", edit("kind: Service, name: app", "kind: Channel, name: app"), "spec.subscriber.ref.kind"},
		{"ref without a name", edit("kind: Service, name: app", "kind: Service"), "spec.subscriber.ref.name"},
		{"other namespace", edit("kind: Service, name: app", "kind: Service, name: app, namespace: x"), "namespace"},
		{"negative retry", with("delivery: {retry: -1}"), "spec.delivery.retry"},
		{"retry that is no number", with("delivery: {retry: many}"), "many"},
		{"policy", with("delivery: {backoffPolicy: random}"), "spec.delivery.backoffPolicy"},
		{"delay", with("delivery: {backoffDelay: 200ms}"), "spec.delivery.backoffDelay"},
		{"timeout", with("delivery: {timeout: PT}"), "spec.delivery.timeout"},
		{"no timeout", with("delivery: {timeout: PT0S}"), "spec.delivery.timeout"},
		{"retryAfterMax", with("delivery: {retryAfterMax: PT1S}"), "retryAfterMax"},
		{"sink", with("delivery: {deadLetterSink: {}}"), "spec.delivery.deadLetterSink"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := broker.Load(fstest.MapFS{"dir-all.yaml": {Data: []byte(c.manifest)}})
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Fatalf("got %v, want it to name %s", err, c.message)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"spec: {x: 1}", "metadata: {name: t}\nspec: {broker: nobody}"} {
		_, err := broker.Load(fstest.MapFS{
			"broker.yaml":  {Data: []byte(oneTrigger)},
			"trigger.yaml": {Data: []byte("apiVersion: eventing.knative.dev/v1\nkind: Trigger\n" + bad)},
		})
		if err == nil || !strings.Contains(err.Error(), "trigger.yaml") {
			t.Errorf("%s: got %v, want it to name trigger.yaml", bad, err)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	e := newEvent(t, "acc-1", event.WithSequence(1))
	e.SetExtension("priority", 7)
	cases := []struct {
		filter string
		want   bool
	}{
		{"", true},
		{"filters: []", true},
		{"filter: {}", true},
		{"filter: {attributes: {type: ai.opitios.account.updated}}", true},
		{"filter: {attributes: {type: other}}", false},
		{"filter: {attributes: {type: ai.opitios.account.updated, subject: acc-2}}", false},
		{"filter: {attributes: {partitionkey: ''}}", true},
		{"filter: {attributes: {nothing: ''}}", false},
		{"filter: {attributes: {priority: '7'}}", true},
		{"filters: [{exact: {source: /test, subject: acc-1, specversion: '1.0'}}]", true},
		{"filters: [{exact: {source: /test, subject: acc-2}}]", false},
		{"filters: [{exact: {nothing: x}}]", false},
		{"filters: [{exact: {datacontenttype: application/json}}, {prefix: {time: '20'}}]", true},
		{"filters: [{prefix: {type: ai.opitios.account.}}]", true},
		{"filters: [{prefix: {type: opitios}}]", false},
		{"filters: [{prefix: {dataschema: 'https://'}}]", true},
		{"filters: [{suffix: {type: .updated}}]", true},
		{"filters: [{suffix: {type: ai}}]", false},
		{"filters: [{exact: {type: other}}, {suffix: {type: .updated}}]", false},
		{"filters: [{any: [{exact: {type: other}}, {suffix: {type: .updated}}]}]", true},
		{"filters: [{any: [{exact: {type: a}}, {exact: {type: b}}]}]", false},
		{"filters: [{all: [{exact: {subject: acc-1}}, {suffix: {type: .updated}}]}]", true},
		{"filters: [{all: [{exact: {subject: acc-1}}, {exact: {type: b}}]}]", false},
		{"filters: [{not: {exact: {type: other}}}]", true},
		{"filters: [{not: {exact: {subject: acc-1}}}]", false},
		{"filters: [{exact: {subject: acc-1}}]\n  filter: {attributes: {type: ignored}}", true},
	}
	for _, c := range cases {
		manifest := oneTrigger + "  " + c.filter + "\n"
		if got := load(t, manifest).Triggers[0].Filter(e); got != c.want {
			t.Errorf("%s: %v, want %v", c.filter, got, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(oneTrigger)
	f.Add("kind: Trigger\napiVersion: eventing.knative.dev/v1\nspec: {filters: [{not: {any: [{exact: {a: b}}]}}]}")
	f.Add("a: &a [*a]\n---\n- ? {}\n: !!binary x")
	f.Fuzz(func(t *testing.T, manifest string) {
		definition, err := broker.Load(fstest.MapFS{"all.yaml": {Data: []byte(manifest)}})
		if err != nil {
			return
		}
		e := newEvent(t, "acc-1")
		for _, trigger := range definition.Triggers {
			trigger.Filter(e)
			if trigger.Delivery.Timeout <= 0 || trigger.Delivery.Backoff(1) < 0 {
				t.Errorf("%+v", trigger.Delivery)
			}
		}
	})
}
