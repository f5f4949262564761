package account

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
)

func TestObjectLevelAuthorization(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	reader := f.token(alice, auth.PermissionAccountRead)
	trader := f.token(alice, auth.PermissionTrade, auth.PermissionMarketData)
	admin := f.token(operator, auth.PermissionAdmin)
	gone := f.token("gone", auth.PermissionAccountRead) // its account has left the vault
	for _, test := range []struct {
		name, path, token string
		status            int
		code              string
	}{
		{"own account", "/api/v1/account", reader, 200, ""},
		{"own account by ID", "/api/v1/accounts/alice", reader, 200, ""},
		{"own positions", "/api/v1/positions", reader, 200, ""},
		{"own positions by ID", "/api/v1/accounts/alice/positions", reader, 200, ""},
		{"another's account", "/api/v1/accounts/bob", reader, 403, "FORBIDDEN"},
		{"another's positions", "/api/v1/accounts/bob/positions", reader, 403, "FORBIDDEN"},
		{"an unknown account looks the same", "/api/v1/accounts/mallory", reader, 403, "FORBIDDEN"},
		{"unknown positions look the same", "/api/v1/accounts/mallory/positions", reader, 403, "FORBIDDEN"},
		{"own account that is gone", "/api/v1/account", gone, 403, "FORBIDDEN"},
		{"list is for administrators", "/api/v1/accounts", reader, 403, "FORBIDDEN"},
		{"dead letters are for administrators", "/api/v1/admin/dead-letters", reader, 403, "FORBIDDEN"},
		{"without account_read", "/api/v1/account", trader, 403, "FORBIDDEN"},
		{"positions without account_read", "/api/v1/positions", trader, 403, "FORBIDDEN"},
		{"position without account_read", "/api/v1/positions/AAPL", trader, 403, "FORBIDDEN"},
		{"administrator, any account", "/api/v1/accounts/bob", admin, 200, ""},
		{"administrator, any positions", "/api/v1/accounts/bob/positions", admin, 200, ""},
		{"administrator, unknown account", "/api/v1/accounts/mallory", admin, 404, "ACCOUNT_NOT_FOUND"},
		{"administrator, list", "/api/v1/accounts", admin, 200, ""},
		{"no token", "/api/v1/account", "", 401, "INVALID_TOKEN"},
		{"garbage", "/api/v1/account", "garbage", 401, "INVALID_TOKEN"},
		{"unknown query", "/api/v1/account?account_id=bob", reader, 400, "INVALID_REQUEST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := f.get(test.path, test.token); got.status != test.status || got.Error.Code != test.code {
				t.Fatalf("got %d %s, want %d %s", got.status, got.text, test.status, test.code)
			}
		})
	}
	other, unknown := f.get("/api/v1/accounts/bob", reader), f.get("/api/v1/accounts/mallory", reader)
	if other.Error.Message != unknown.Error.Message || len(other.Error.Details) != len(unknown.Error.Details) {
		t.Errorf("IDs can be probed: %s and %s", other.text, unknown.text)
	}
}

func TestListNamesNoSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := f.get("/api/v1/accounts", f.token(operator, auth.PermissionAdmin))
	if list := decodeData[[]AccountSummary](t, got); len(list) != 4 || list[0].AccountID != alice || list[0].AccountType != "paper" {
		t.Fatalf("%+v", list)
	}
	for _, account := range accounts() {
		if strings.Contains(got.text, account.Credentials.SecretKey) || strings.Contains(got.text, account.Credentials.KeyID) {
			t.Fatalf("credentials in %s", got.text)
		}
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	issue := func(accountID string, permission auth.Permission) (string, string) {
		token, claims, err := f.issuer.Issue(accountID, "", []auth.Permission{permission})
		if err != nil {
			t.Fatal(err)
		}
		return token, claims.ID
	}
	revoke := func(token, query string) answer { return f.do(http.MethodPost, "/api/v1/auth/revoke"+query, token, "") }
	first, _ := issue(alice, auth.PermissionMarketData)
	second, secondID := issue(alice, auth.PermissionAccountRead)
	admin, _ := issue(operator, auth.PermissionAdmin)

	for _, test := range []struct {
		name, token, query string
		status             int
	}{
		{"no token", "", "", 401},
		{"another token, not admin", first, "?jti=" + secondID, 403},
		{"own token, whatever it may do", first, "", 200},
		{"administrator, a bad jti", admin, "?jti=a%7Bb", 400},
		{"administrator, a long jti", admin, "?jti=" + strings.Repeat("a", 129), 400},
		{"administrator, another token", admin, "?jti=" + secondID, 200},
		{"unknown parameter", admin, "?token=x", 400},
	} {
		if got := revoke(test.token, test.query); got.status != test.status {
			t.Fatalf("%s: %d %s", test.name, got.status, got.text)
		}
	}
	// first was in this instance's cache, which hears of it by an announcement.
	deadline := time.Now().Add(10 * time.Second)
	for revoke(first, "").status != 401 {
		if time.Now().After(deadline) {
			t.Fatal("a revoked token is still accepted")
		}
		time.Sleep(time.Millisecond)
	}
	if got := f.get("/api/v1/account", second); got.status != 401 {
		t.Errorf("a revoked token opens the account: %s", got.text)
	}
	until, err := f.redis.ZScore(auth.RevokedKey, secondID)
	if life := time.Unix(int64(until), 0).Sub(f.clock.Now()); err != nil || life < minRevocationLife {
		t.Errorf("forgotten after %s, %v", life, err)
	}
	f.redis.Close()
	if got := revoke(f.token(alice, auth.PermissionTrade), ""); got.status != 503 {
		t.Errorf("without Redis: %d %s", got.status, got.text)
	}
}
