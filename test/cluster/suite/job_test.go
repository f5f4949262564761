package suite

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestManifests has the real API server and Knative's webhooks check every overlay, strictly, without applying it.
func TestManifests(t *testing.T) {
	kustomize := os.Getenv("KUSTOMIZE")
	if kustomize == "" {
		t.Skip("KUSTOMIZE is not set: `make cluster-test` sets it")
	}
	overlays, err := filepath.Glob("../../../knative/overlays/*")
	if err != nil || len(overlays) < 3 {
		t.Fatalf("%d overlays, %v", len(overlays), err)
	}
	for _, overlay := range overlays {
		built, err := exec.CommandContext(t.Context(), kustomize, "build", overlay).Output()
		if err != nil {
			t.Fatalf("%s: %v", overlay, err)
		}
		// The names of images come with a build; what is checked is their manifests.
		manifest := strings.ReplaceAll(string(built), "ko://github.com/", "dev.local/")
		if filepath.Base(overlay) != "local-cluster" {
			manifest = renameBroker(manifest) // a Broker's class can't be changed, and local-cluster's is there
		}
		out, err := shared.run([]byte(manifest), "apply", "--dry-run=server", "--validate=strict", "--server-side", "--force-conflicts", "-f", "-")
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(overlay), err)
			continue
		}
		t.Logf("%s: %d objects accepted", filepath.Base(overlay), len(strings.Split(out, "\n")))
	}
}

// renameBroker gives the Broker of a manifest another name.
func renameBroker(manifest string) string {
	documents := strings.Split(manifest, "\n---\n")
	for i, document := range documents {
		if strings.Contains(document, "\nkind: Broker\nmetadata:") {
			documents[i] = strings.Replace(document, "\n  name: opitios\n", "\n  name: dry-run\n", 1)
		}
	}
	return strings.Join(documents, "\n---\n")
}

// TestMainJobByHTTP is the product's main job through the cluster's ingress: token, quote, order, fill, position.
func TestMainJobByHTTP(t *testing.T) {
	shared.marketOpen(t)
	token := shared.token(t, accountNumber(1))
	var quote struct {
		Symbol string `json:"symbol"`
	}
	shared.call(t, http.StatusOK, http.MethodGet, "/api/v1/stocks/AAPL/quote", token, "").into(t, &quote)
	if quote.Symbol != "AAPL" {
		t.Fatalf("quote of %q", quote.Symbol)
	}
	key := random()
	var first, second order
	place := func() answer {
		a, err := shared.send(httpClient(), routeHost, http.MethodPost, "/api/v1/stocks/order", token,
			fmt.Sprintf(`{"symbol":"AAPL","qty":2,"side":"buy","type":"market","time_in_force":"day","client_order_id":%q}`, key))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	place().into(t, &first)
	place().into(t, &second)
	if first.OrderID == "" || first.OrderID != second.OrderID {
		t.Fatalf("sent twice: %+v and %+v", first, second)
	}
	eventually(t, "the order is filled", func() (bool, string) {
		var now order
		shared.call(t, http.StatusOK, http.MethodGet, "/api/v1/orders/"+first.OrderID, token, "").into(t, &now)
		return now.Status == "filled", now.Status
	})
	eventually(t, "the position shows", func() (bool, string) {
		positions := shared.call(t, http.StatusOK, http.MethodGet, "/api/v1/positions", token, "").text
		return strings.Contains(positions, `"AAPL"`), positions
	})
}

// TestGatewayProgram is the same table as a program, for clusters without the Gateway API.
func TestGatewayProgram(t *testing.T) {
	token := shared.token(t, accountNumber(1))
	for _, path := range []string{"/api/v1/stocks/MSFT/quote", "/api/v1/account", "/api/v1/orders", "/openapi.json"} {
		a, err := shared.send(httpClient(), gatewayHost, http.MethodGet, path, token, "")
		if err != nil || a.status != http.StatusOK {
			t.Errorf("%s: %d %.200s, %v", path, a.status, a.text, err)
		}
	}
	for _, host := range []string{gatewayHost, routeHost} {
		for _, path := range []string{"/events", "/events/dead-letters", "/metrics"} {
			a, err := shared.send(httpClient(), host, http.MethodPost, path, token, "{}")
			if err != nil || a.status != http.StatusNotFound {
				t.Errorf("%s%s is reachable: %d, %v", host, path, a.status, err)
			}
		}
	}
}

// TestMainJobByEvent places an order by a command through the Broker, once although it is published twice.
func TestMainJobByEvent(t *testing.T) {
	shared.marketOpen(t)
	own := accountNumber(2)
	token := shared.token(t, own)
	id := "event-" + random()
	e := orderCommand(t, own, id)
	shared.publish(t, e)
	shared.publish(t, e)
	eventually(t, "the order is filled", func() (bool, string) {
		for _, o := range shared.orders(t, token) {
			if o.ClientOrderID == id {
				return o.Status == "filled", o.Status
			}
		}
		return false, "no order"
	})
	if n := shared.ordersOf(t, token, id); n != 1 {
		t.Errorf("%d orders of one command", n)
	}
}

// deadLetter is what is read of one.
type deadLetter struct {
	ID         string `json:"dead_letter_id"`
	EventID    string `json:"event_id"`
	Type       string `json:"type"`
	Code       string `json:"code"`
	Reason     string `json:"reason"`
	Replayable bool   `json:"replayable"`
}

// deadLetterOf waits for the dead letter of an event, other than former.
func (c *cluster) deadLetterOf(t *testing.T, admin, eventID, former string) deadLetter {
	t.Helper()
	var found deadLetter
	eventually(t, "the event is among the dead letters", func() (bool, string) {
		var page struct {
			DeadLetters []deadLetter `json:"dead_letters"`
		}
		c.call(t, http.StatusOK, http.MethodGet, "/api/v1/admin/dead-letters", admin, "").into(t, &page)
		for _, letter := range page.DeadLetters {
			if letter.EventID == eventID && letter.ID != former {
				found = letter
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d others", len(page.DeadLetters))
	})
	return found
}

// TestCommandWithoutProof: reaching the Broker is not enough to trade, and a replay does not make it so.
func TestCommandWithoutProof(t *testing.T) {
	shared.marketOpen(t)
	own, admin := accountNumber(3), shared.admin(t)
	token := shared.token(t, own)
	missing, other := orderCommand(t, own, "missing-"+random()), orderCommand(t, own, "other-"+random())
	delete(missing.extensions, "proof")
	other.data = strings.Replace(other.data, `"qty":"1"`, `"qty":"100"`, 1)
	for _, e := range []event{missing, other} {
		shared.publish(t, e)
		letter := shared.deadLetterOf(t, admin, e.id, "")
		if letter.Replayable {
			t.Errorf("%s can be replayed: %+v", e.id, letter)
		}
		a, err := shared.send(httpClient(), routeHost, http.MethodPost, "/api/v1/admin/dead-letters/"+letter.ID+"/replay", admin, "")
		if err != nil || a.status != http.StatusBadRequest {
			t.Errorf("replay: %d %s, %v", a.status, a.text, err)
		}
	}
	if n := len(shared.orders(t, token)); n != 0 {
		t.Errorf("%d orders", n)
	}
}

// TestDeadLetters follows an event that no function takes: stored, listed, replayed through the Broker, deleted.
func TestDeadLetters(t *testing.T) {
	admin := shared.admin(t)
	e := event{id: random(), kind: "ai.opitios.order.filled", source: "/suite", data: `{"account_id":"nobody"}`, extensions: map[string]string{"partitionkey": "nobody"}}
	shared.publish(t, e)
	letter := shared.deadLetterOf(t, admin, e.id, "")
	if !letter.Replayable || letter.Code != "400" || !strings.Contains(letter.Reason, "ACCOUNT_NOT_FOUND") {
		t.Fatalf("%+v", letter)
	}
	shared.call(t, http.StatusOK, http.MethodPost, "/api/v1/admin/dead-letters/"+letter.ID+"/replay", admin, "")
	again := shared.deadLetterOf(t, admin, e.id, letter.ID) // still nobody's: it went through the Broker and came back
	shared.call(t, http.StatusOK, http.MethodDelete, "/api/v1/admin/dead-letters/"+again.ID, admin, "")
	shared.call(t, http.StatusNotFound, http.MethodDelete, "/api/v1/admin/dead-letters/"+again.ID, admin, "")
}

// TestReplayedCommandIsCarriedOut buries a genuine command by the time at which nobody could take it, and replays it.
func TestReplayedCommandIsCarriedOut(t *testing.T) {
	shared.marketOpen(t)
	own, admin := accountNumber(4), shared.admin(t)
	token := shared.token(t, own)
	id := "replayed-" + random()
	// As if the Broker had given up: the event goes where its dead letters go.
	e := orderCommand(t, own, id)
	e.extensions["knativeerrordest"], e.extensions["knativeerrorcode"] = "http://order/events", "503"
	shared.bury(t, e)
	letter := shared.deadLetterOf(t, admin, e.id, "")
	if !letter.Replayable {
		t.Fatalf("%+v", letter)
	}
	shared.call(t, http.StatusOK, http.MethodPost, "/api/v1/admin/dead-letters/"+letter.ID+"/replay", admin, "")
	eventually(t, "the order is there", func() (bool, string) {
		return shared.ordersOf(t, token, id) == 1, "no order"
	})
}

// bury delivers an event to the dead-letter sink itself, as the Broker does: through the cluster's own door of the
// account function.
func (c *cluster) bury(t *testing.T, e event) {
	t.Helper()
	address, err := c.run(nil, "-n", "traefik", "get", "service", "traefik-internal", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/events/dead-letters", strings.NewReader(e.data))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "account." + namespace + ".svc.cluster.local"
	request.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"specversion": "1.0", "id": e.id, "type": e.kind, "source": e.source, "time": time.Now().UTC().Format(time.RFC3339)} {
		request.Header.Set("Ce-"+name, value)
	}
	for name, value := range e.extensions {
		request.Header.Set("Ce-"+name, value)
	}
	response, err := httpClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		t.Fatalf("the dead-letter sink answers %s", response.Status)
	}
}
