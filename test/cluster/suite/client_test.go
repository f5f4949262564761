package suite

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The hosts by which the ingress knows where a request goes.
const (
	// routeHost is any: the HTTPRoute takes every host.
	routeHost = "api.opitios.test"
	// gatewayHost is the gateway's own KService.
	gatewayHost = "gateway." + namespace + ".example.test"
)

// account is one of the emulator's, as test/cluster/deploy makes the Secret.
type account struct{ id, keyID, secret string }

func accountNumber(n int) account {
	return account{fmt.Sprintf("account-%d", n), fmt.Sprintf("PKEMULATOR%010d", n), fmt.Sprintf("emulator-secret-%010d", n)}
}

// answer is a response with its envelope.
type answer struct {
	status int
	Data   json.RawMessage `json:"data"`
	Error  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	text string
}

func (a answer) into(t *testing.T, target any) {
	t.Helper()
	if err := json.Unmarshal(a.Data, target); err != nil {
		t.Fatalf("%v in %d %s", err, a.status, a.text)
	}
}

// httpClient keeps connections, as clients do. A function at zero answers after its start.
func httpClient() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

// send makes one request to the ingress.
func (c *cluster) send(client *http.Client, host, method, path, token, body string) (answer, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, c.ingress+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Host = host
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, text: string(content)}
	_ = json.Unmarshal(content, &a) // an ingress's own answer is no JSON
	return a, err
}

// call makes one request and demands a status.
func (c *cluster) call(t *testing.T, status int, method, path, token, body string) answer {
	t.Helper()
	a, err := c.send(httpClient(), routeHost, method, path, token, body)
	if err != nil || a.status != status {
		t.Fatalf("%s %s: %d %s, %v; want %d", method, path, a.status, a.text, err, status)
	}
	return a
}

// token asks the account function for a token.
func (c *cluster) token(t *testing.T, a account) string {
	t.Helper()
	body := fmt.Sprintf(`{"account_id":%q,"api_key":%q,"secret_key":%q}`, a.id, a.keyID, a.secret)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	c.call(t, http.StatusOK, http.MethodPost, "/api/v1/auth/token", "", body).into(t, &got)
	return got.AccessToken
}

// admin signs an administrator's token with the cluster's own key, which only who may read Secrets has.
func (c *cluster) admin(t *testing.T) string {
	t.Helper()
	encoded := c.k(t, "get", "secret", "opitios-tokens", "-o", "jsonpath={.data.jwt-secret}")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	return sign(t, key, map[string]any{"alg": "HS256", "typ": "JWT"}, map[string]any{
		"iss": "opitios-alpaca", "aud": "trading-api", "sub": "suite", "jti": random(), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"account_id": "admin", "permissions": []string{"admin"},
	})
}

func sign(t *testing.T, key []byte, header, claims map[string]any) string {
	t.Helper()
	part := func(value any) string {
		content, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(content)
	}
	unsigned := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(unsigned)) // a hash never fails
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func random() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return hex.EncodeToString(id)
}

// event is a CloudEvent to publish.
type event struct {
	id, kind, source, data string
	extensions             map[string]string
}

// command is an order command with a proof that the account's own secret signed, as an outside producer makes it.
func command(t *testing.T, a account, kind, data string) event {
	t.Helper()
	e := event{id: random(), kind: kind, source: "/suite", data: data, extensions: map[string]string{"partitionkey": a.id}}
	digest := sha256.Sum256([]byte(data))
	e.extensions["proof"] = sign(t, []byte(a.secret), map[string]any{"alg": "HS256", "kid": "account:" + a.id}, map[string]any{
		"account_id": a.id, "permissions": []string{"trade"}, "ce_id": e.id, "ce_type": kind,
		"data_sha256": hex.EncodeToString(digest[:]), "exp": time.Now().Add(4 * time.Minute).Unix(),
	})
	return e
}

// orderCommand asks for one share.
func orderCommand(t *testing.T, a account, clientOrderID string) event {
	t.Helper()
	data := fmt.Sprintf(`{"account_id":%q,"order":{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day","client_order_id":%q}}`,
		a.id, clientOrderID)
	return command(t, a, "ai.opitios.order.requested", data)
}

// publish posts an event to the Broker. The in-memory channel answers after the delivery, so it may take a start.
func (c *cluster) publish(t *testing.T, e event) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.broker, strings.NewReader(e.data))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"specversion": "1.0", "id": e.id, "type": e.kind, "source": e.source, "time": time.Now().UTC().Format(time.RFC3339)} {
		request.Header.Set("Ce-"+name, value)
	}
	for name, value := range e.extensions {
		request.Header.Set("Ce-"+name, value)
	}
	client := &http.Client{Timeout: 3 * time.Minute}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		t.Fatalf("the Broker answers %s", response.Status)
	}
}

// order is what is read of an order.
type order struct {
	OrderID       string `json:"order_id"`
	ClientOrderID string `json:"client_order_id"`
	Status        string `json:"status"`
}

// orders are all of an account's.
func (c *cluster) orders(t *testing.T, token string) []order {
	t.Helper()
	var page struct {
		Orders []order `json:"orders"`
	}
	c.call(t, http.StatusOK, http.MethodGet, "/api/v1/orders?status=all", token, "").into(t, &page)
	return page.Orders
}

// ordersOf counts an account's orders with a client order ID.
func (c *cluster) ordersOf(t *testing.T, token, clientOrderID string) int {
	t.Helper()
	n := 0
	for _, o := range c.orders(t, token) {
		if o.ClientOrderID == clientOrderID {
			n++
		}
	}
	return n
}
