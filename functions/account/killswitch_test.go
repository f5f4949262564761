package account

import (
	"net/http"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
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
