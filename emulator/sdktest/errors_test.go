package sdktest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

// TestSDKReadsRefusals: the SDK finds status, code and message where it looks for them, and the price that it rounds for its
// user is one that the emulator takes.
func TestSDKReadsRefusals(t *testing.T) {
	t.Parallel()
	e, client := started(t)
	request := alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("1"), Side: alpaca.Buy, Type: alpaca.Limit, LimitPrice: amount("90.123"), TimeInForce: alpaca.Day,
	}
	_, err := client.PlaceOrder(request)
	var refusal *alpaca.APIError
	if !errors.As(err, &refusal) {
		t.Fatalf("error = %v", err)
	}
	if refusal.StatusCode != http.StatusUnprocessableEntity || refusal.Code != 42210000 ||
		refusal.Message != "invalid limit_price 90.123. sub-penny increment does not fulfill minimum pricing criteria" {
		t.Fatalf("refusal = %+v", refusal)
	}
	request.LimitPrice = alpaca.RoundLimitPrice(*request.LimitPrice, alpaca.Buy)
	must[*alpaca.Order](t)(client.PlaceOrder(request))

	stranger := alpaca.NewClient(alpaca.ClientOpts{APIKey: "PKSDK", APISecret: "wrong", BaseURL: e.URL()})
	if _, err := stranger.GetAccount(); err == nil || err.Error() != "unauthorized. (HTTP 401)" {
		t.Fatalf("error = %v", err)
	}
	response, err := http.Get(e.URL() + "/v2/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := alpaca.APIErrorFromResponse(response); err.Error() != "endpoint not found (HTTP 404, Code 40410000)" {
		t.Fatalf("error = %v, SDK %s", err, alpaca.Version())
	}
}
