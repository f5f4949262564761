package account

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

func TestKillSwitchIsForAdministrators(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	own, admin := f.token(alice, auth.PermissionTrade, auth.PermissionAccountRead), f.token("admin", auth.PermissionAdmin)
	for _, path := range []string{"/api/v1/admin/kill-switch", "/api/v1/admin/accounts/" + alice + "/kill-switch"} {
		if got := f.do(http.MethodPost, path, own, `{"reason":"drill"}`); got.status != http.StatusForbidden {
			t.Errorf("%s by its owner: %d %s", path, got.status, got.text)
		}
		if got := f.do(http.MethodPost, path, admin, `{"reason":" "}`); got.status != http.StatusBadRequest {
			t.Errorf("%s without a reason: %d %s", path, got.status, got.text)
		}
		set := decodeData[KillSwitchSet](t, f.do(http.MethodPost, path, admin, `{"reason":"drill"}`))
		if !set.Switch.Engaged || !set.Switch.AllowCloses || set.Switch.Reason != "drill" || set.Accounts != nil {
			t.Errorf("%s: %+v", path, set)
		}
	}
	all := decodeData[KillSwitches](t, f.get("/api/v1/admin/kill-switch", admin))
	if all.All == nil || !all.All.Engaged || !all.Accounts[alice].Engaged {
		t.Fatalf("%+v", all)
	}
	if got := f.do(http.MethodPost, "/api/v1/admin/accounts/no-such-account/kill-switch", admin, `{"reason":"drill"}`); got.status != http.StatusNotFound {
		t.Errorf("an unknown account: %d %s", got.status, got.text)
	}
}

// TestKillSwitchWithAShardAway: what can be stopped is stopped and canceled, and the answer says what was not.
func TestKillSwitchWithAShardAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin, away := f.token("admin", auth.PermissionAdmin), store.Shard(alice)
	if err := f.redis.Set(store.KillSwitchKey(away), "no hash"); err != nil { // it can't be written
		t.Fatal(err)
	}
	var held, missing []string
	for _, account := range accounts() {
		if store.Shard(account.ID) == away {
			missing = append(missing, account.ID)
		} else {
			held = append(held, account.ID)
		}
	}
	type details struct {
		NotSet   []string         `json:"not_set"`
		Accounts []CanceledOrders `json:"accounts"`
	}
	refused := func(method, path, body string) details {
		t.Helper()
		got := f.do(method, path, admin, body)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Fatalf("%s %s: %d %s", method, path, got.status, got.text)
		}
		var answer struct{ Error struct{ Details details } }
		if err := json.Unmarshal([]byte(got.text), &answer); err != nil {
			t.Fatal(err)
		}
		slices.Sort(answer.Error.Details.NotSet)
		return answer.Error.Details
	}
	said := refused(http.MethodPost, "/api/v1/admin/kill-switch", `{"reason":"drill","cancel_orders":true}`)
	slices.Sort(missing)
	if !slices.Equal(said.NotSet, missing) || len(said.Accounts) != len(held) || f.alpaca.count("/v2/orders") != len(held) {
		t.Errorf("%+v after %d cancels, want %q set and %q not", said, f.alpaca.count("/v2/orders"), held, missing)
	}
	for _, one := range said.Accounts {
		if one.Error != nil || !slices.Contains(held, one.AccountID) {
			t.Errorf("%+v", one)
		}
	}
	for shard := range store.Shards {
		if shard != away && f.redis.HGet(store.KillSwitchKey(shard), "*") == "" {
			t.Errorf("not set in shard %d", shard)
		}
	}
	said = refused(http.MethodPost, "/api/v1/admin/accounts/"+alice+"/kill-switch", `{"reason":"drill","cancel_orders":true}`)
	if !slices.Equal(said.NotSet, []string{alice}) || said.Accounts != nil || f.alpaca.count("/v2/orders") != len(held) {
		t.Errorf("one account: %+v", said)
	}
	if said = refused(http.MethodDelete, "/api/v1/admin/kill-switch", ""); !slices.Equal(said.NotSet, missing) || said.Accounts != nil {
		t.Errorf("released: %+v", said)
	}
	f.redis.Del(store.KillSwitchKey(away))
	set := decodeData[KillSwitchSet](t, f.do(http.MethodPost, "/api/v1/admin/kill-switch", admin, `{"reason":"drill","cancel_orders":true}`))
	if !set.Switch.Engaged || len(set.Accounts) != len(accounts()) {
		t.Errorf("%+v", set)
	}
}

// TestKillSwitchIsNeverLimited: an administrator who read too much can still trip it.
func TestKillSwitchIsNeverLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.AccountReadsPerMinute = 1 })
	admin := f.token("admin", auth.PermissionAdmin)
	for f.get("/api/v1/admin/kill-switch", admin).status != http.StatusTooManyRequests {
		continue
	}
	for range 3 {
		if got := f.do(http.MethodPost, "/api/v1/admin/kill-switch", admin, `{"reason":"drill"}`); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.text)
		}
		if got := f.do(http.MethodDelete, "/api/v1/admin/kill-switch", admin, ""); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.text)
		}
	}
}

func TestControlsOfAnAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := decodeData[AccountControls](t, f.get("/api/v1/admin/accounts/"+alice+"/risk", f.token("admin", auth.PermissionAdmin)))
	if got.AccountID != alice || got.Limits.OrdersPerMinute == 0 || got.Limits.AlpacaRequestsPerMinute == 0 {
		t.Fatalf("%+v", got)
	}
}

func TestCeilingsOfAllAccounts(t *testing.T) {
	t.Parallel()
	controls := filepath.Join(t.TempDir(), "controls.json")
	if err := os.WriteFile(controls, []byte(`{"all_accounts":{"max_open_value":"1000"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *Config) { c.ControlsFile = controls })
	admin := f.token("admin", auth.PermissionAdmin)
	got := decodeData[AllCeilings](t, f.get("/api/v1/admin/risk", admin))
	if got.Ceilings.MaxOpenValue.String() != "1000" || got.Used == nil || got.Used.Complete || got.ChangedAt == nil {
		t.Fatalf("%+v", got)
	}
	book := ceiling.New(f.platform.Redis, ceiling.Config{})
	if err := book.Begin(t.Context(), "test", "2026-11-23"); err != nil {
		t.Fatal(err)
	}
	if done, err := book.Finish(t.Context(), "test", 0); !done || err != nil {
		t.Fatal(done, err)
	}
	value := decimal.FromInt(7)
	if _, err := book.Grant(t.Context(), ceiling.Order{AccountID: alice, ClientOrderID: "c"}, &value, "2026-11-23", &got.Ceilings); err != nil {
		t.Fatal(err)
	}
	got = decodeData[AllCeilings](t, f.get("/api/v1/admin/risk", admin))
	if !got.Used.Complete || got.Used.OpenOrders != 1 || got.Used.OpenValue.String() != "7" || got.Used.DailyValue.String() != "7" {
		t.Fatalf("%+v", got.Used)
	}
	if answer := f.get("/api/v1/admin/risk", f.token(alice, auth.PermissionAccountRead)); answer.status != http.StatusForbidden {
		t.Fatalf("%d %s", answer.status, answer.text)
	}
	if none := decodeData[AllCeilings](t, newFixture(t).get("/api/v1/admin/risk", admin)); none.Used != nil || none.ChangedAt != nil {
		t.Fatalf("%+v", none)
	}
}
