package emulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestLocates goes through the locate endpoints in the shapes of Alpaca's specification.
func TestLocates(t *testing.T) {
	t.Parallel()
	running, from := start(t, openMonday), client(t)
	ask := func(method, path, body string, status int) string {
		t.Helper()
		got := call(t, from, method, running.URL()+path, body, keys()...)
		expect(t, path+" "+body, got.status, status)
		return got.body
	}
	quotes := ask(http.MethodGet, "/v1/locates/quotes?symbols=GME,AAPL,NOSUCH", "", http.StatusOK)
	for _, part := range []string{
		`"quotes":[{"symbol":"GME","available_qty":`, `{"symbol":"AAPL","code":"easy_to_borrow","message":"symbol is easy to borrow"}`,
		`{"symbol":"NOSUCH","code":"symbol_not_found","message":"symbol not found"}`,
	} {
		if !strings.Contains(quotes, part) {
			t.Errorf("%s has no %s", quotes, part)
		}
	}
	for body, want := range map[string]string{
		`{`:                          `{"code":"invalid_request_body","message":"invalid request body"}`,
		`{"symbol":"GME","qty":150}`: `{"code":"invalid_input","message":"invalid input: quantity must be in round lots of 100"}`,
		`{"symbol":"GME","qty":100,"limit_price":"a"}`: `{"code":"invalid_limit_price","message":"invalid limit_price"}`,
	} {
		expect(t, body, ask(http.MethodPost, "/v1/locates", body, http.StatusBadRequest), want)
	}
	expect(t, "easy", ask(http.MethodPost, "/v1/locates", `{"symbol":"AAPL","qty":100}`, http.StatusUnprocessableEntity),
		`{"code":"easy_to_borrow","message":"security is easy-to-borrow and does not require a locate"}`)

	var made struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	rejected := ask(http.MethodPost, "/v1/locates", `{"symbol":"GME","qty":100,"limit_price":"0.0001","all_or_none":true}`, http.StatusCreated)
	if err := json.Unmarshal([]byte(rejected), &made); err != nil {
		t.Fatal(err)
	}
	expect(t, "status", made.Status, "rejected")
	if strings.Contains(rejected, "located_qty") || !strings.Contains(rejected, `"limit_price":"0.0001","all_or_none":true`) {
		t.Errorf("locate = %s", rejected)
	}
	expect(t, "by ID", ask(http.MethodGet, "/v1/locates/"+made.ID, "", http.StatusOK), rejected)
	ask(http.MethodPost, "/v1/locates", `{"symbol":"AMC","qty":100,"limit_price":null}`, http.StatusCreated)

	first := ask(http.MethodGet, "/v1/locates?limit=1", "", http.StatusOK)
	var page struct {
		Next string `json:"next_page_token"`
	}
	if err := json.Unmarshal([]byte(first), &page); err != nil || !strings.Contains(first, `"symbol":"AMC"`) {
		t.Fatalf("first page = %s: %v", first, err)
	}
	expect(t, "second page", ask(http.MethodGet, "/v1/locates?page_token="+page.Next, "", http.StatusOK), `{"locates":[`+rejected+`],"next_page_token":null}`)
	expect(t, "by symbol", ask(http.MethodGet, "/v1/locates?symbol=GME&status=rejected&start=2026-11-23&end=2026-11-24", "", http.StatusOK),
		`{"locates":[`+rejected+`],"next_page_token":null}`)
	expect(t, "other days", ask(http.MethodGet, "/v1/locates?end=2026-11-23", "", http.StatusOK), `{"locates":[],"next_page_token":null}`)
	for _, path := range []string{"/v1/locates?status=new", "/v1/locates?limit=0", "/v1/locates?start=x", "/v1/locates?page_token=x", "/v1/locates/x"} {
		expect(t, path, ask(http.MethodGet, path, "", http.StatusBadRequest), `{"code":"invalid_input","message":"invalid input"}`)
	}
	expect(t, "none", ask(http.MethodGet, "/v1/locates/quotes", "", http.StatusBadRequest), `{"code":"invalid_symbols","message":"symbols is required"}`)
	expect(t, "unknown", ask(http.MethodGet, "/v1/locates/11111111-2222-3333-4444-555555555555", "", http.StatusNotFound), `{"message":"locate not found"}`)
}
