package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/opitios-ai/alpaca-knative/local"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// orderCommand is an order.requested event of an outside producer, who signs with the account's own Alpaca secret.
func orderCommand(t *testing.T, account local.ReadyAccount, accountID, id string, options ...event.Option) event.Event {
	t.Helper()
	request := order.OrderRequest{Symbol: "AAPL", Side: "buy", Type: "market"}
	if err := json.Unmarshal([]byte(`{"qty":1}`), &request); err != nil {
		t.Fatal(err)
	}
	prove := func(eventID, eventType string, data []byte) (string, error) {
		return auth.SignProofWithSecret(account.ID, account.SecretKey, []auth.Permission{auth.PermissionTrade}, eventID, eventType, data, time.Minute, clock.System{})
	}
	options = append([]event.Option{event.WithID(id), event.WithProof(prove)}, options...)
	made, err := event.New(event.TypeOrderRequested, "/bots/e2e", accountID, event.OrderRequested{AccountID: accountID, Order: request}, options...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (s *system) publish(e event.Event) {
	s.t.Helper()
	publisher, err := event.NewPublisher(s.ready.Broker, s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := publisher.Publish(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
}

// deadLetters lists the stored dead letters as the admin API shows them.
func (s *system) deadLetters() string {
	s.t.Helper()
	found := s.call(s.ready.AdminToken, http.MethodGet, "/api/v1/admin/dead-letters", "")
	if !found.Success {
		s.t.Fatalf("%+v", found)
	}
	return string(found.Data)
}

// TestCommandByEvent: a command with its proof becomes exactly one order, however often it comes.
func TestCommandByEvent(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.ready.Accounts[1]
	command := orderCommand(t, account, account.ID, "command-1")
	s.publish(command)
	eventually(t, "the order", func() bool { return len(s.audit(account.KeyID)) == 1 })
	s.publish(command)
	eventually(t, "the repeat", func() bool {
		return s.metric("events_skipped_total", `function="order"`)+s.metric("events_processed_total", `function="order"`, "order.requested") >= 2
	})
	if n := len(s.audit(account.KeyID)); n != 1 {
		t.Fatalf("%d orders", n)
	}
	eventually(t, "its events", func() bool {
		return s.metric("events_processed_total", `function="account"`, "order.accepted") == 1 &&
			s.metric("events_processed_total", `function="account"`, "order.filled") == 1
	})
}

// TestPoisonIsDeadLettered: what no function will ever take is stored for an operator, and makes no order.
func TestPoisonIsDeadLettered(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, other := s.ready.Accounts[0], s.ready.Accounts[1]
	noProof := func(e event.Event) event.Event { e.SetExtension(event.ExtensionProof, nil); return e }
	tampered := orderCommand(t, account, account.ID, "tampered")
	if err := tampered.SetData(cloudevents.ApplicationJSON, []byte(strings.Replace(string(tampered.Data()), `"qty":1`, `"qty":9`, 1))); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		command event.Event
	}{
		{"no-proof", noProof(orderCommand(t, account, account.ID, "no-proof"))},
		{"other-account", orderCommand(t, account, other.ID, "other-account")},
		{"tampered", tampered},
	}
	for _, c := range cases {
		s.publish(c.command)
	}
	for _, c := range cases {
		eventually(t, "the dead letter "+c.name, func() bool { return strings.Contains(s.deadLetters(), fmt.Sprintf("%q", c.name)) })
	}
	if letters := s.deadLetters(); strings.Contains(letters, `"proof"`) {
		t.Error("a dead letter shows a proof")
	}
	for _, a := range []local.ReadyAccount{account, other} {
		if n := len(s.audit(a.KeyID)); n != 0 {
			t.Errorf("%s: %d orders", a.ID, n)
		}
	}
}

// TestExpiredCommandHasNoEffect: a command past its expirytime is done without an order.
func TestExpiredCommandHasNoEffect(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.ready.Accounts[0]
	s.publish(orderCommand(t, account, account.ID, "late", event.WithExpiry(time.Now().Add(-time.Second))))
	eventually(t, "the skip", func() bool { return s.metric("events_skipped_total", `function="order"`, `reason="expired"`) == 1 })
	if n := len(s.audit(account.KeyID)); n != 0 {
		t.Fatalf("%d orders", n)
	}
}
