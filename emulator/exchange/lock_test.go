package exchange //nolint:testpackage // only from inside can an account be kept busy

import (
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// TestAccountsDoNotBlockEachOther: while one account is busy, whatever for and however long, another trades, reads, closes
// and is listed.
func TestAccountsDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	hours, err := session.NewClock(session.Settings{}, clock.NewFake(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	x := New(Settings{FillLatency: -1, PartialFillProbability: -1}, hours, market.New(1, hours), catalogue)
	open := func(id, key string) *Account {
		account, err := x.Open(Opening{ID: id, KeyID: key, SecretKey: "S"})
		if err != nil {
			t.Fatal(err)
		}
		return account
	}
	busy := open("11111111-2222-3333-4444-555555555555", "BUSY")
	free := open("22222222-2222-3333-4444-555555555555", "FREE")
	request, err := DecodeOrder([]byte(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"day"}`))
	if err != nil {
		t.Fatal(err)
	}
	busy.mu.Lock()
	defer busy.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		_, err := free.Submit(request)
		free.Summary()
		free.Positions()
		free.CloseAll(true)
		x.Accounts()
		_, _ = x.Authenticate("BUSY", "S")
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil || len(free.Positions()) != 0 {
			t.Fatalf("%d positions, %v", len(free.Positions()), err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a busy account holds up another")
	}
}
