package account

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
)

func TestCreateToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const right = `{"account_id":"alice","api_key":"PKalice","secret_key":"secret-of-alice"`
	for _, test := range []struct {
		name, body  string
		status      int
		code, field string
	}{
		{"all permissions", right + `}`, 200, "", ""},
		{"a subset", right + `,"permissions":["account_read"]}`, 200, "", ""},
		{"wrong secret", strings.Replace(right, "secret-of-alice", "wrong", 1) + `}`, 401, "INVALID_TOKEN", ""},
		{"wrong key", strings.Replace(right, "PKalice", "PKbob", 1) + `}`, 401, "INVALID_TOKEN", ""},
		{"another account's pair", strings.Replace(right, `"alice"`, `"bob"`, 1) + `}`, 401, "INVALID_TOKEN", ""},
		{"unknown account", strings.Replace(right, `"alice"`, `"mallory"`, 1) + `}`, 401, "INVALID_TOKEN", ""},
		{"no account", strings.Replace(right, `"alice"`, `""`, 1) + `}`, 400, "INVALID_REQUEST", "account_id"},
		{"no key", strings.Replace(right, `PKalice`, ``, 1) + `}`, 400, "INVALID_REQUEST", "api_key"},
		{"no secret", `{"account_id":"alice","api_key":"PKalice"}`, 400, "INVALID_REQUEST", "secret_key"},
		{"unknown field", right + `,"admin":true}`, 400, "INVALID_REQUEST", "admin"},
		{"wrong type", right + `,"permissions":"admin"}`, 400, "INVALID_REQUEST", "permissions"},
		{"too many permissions", right + `,"permissions":["trade","admin"]}`, 403, "FORBIDDEN", ""},
		{"unknown permission", right + `,"permissions":["root"]}`, 400, "INVALID_REQUEST", "permissions"},
		{"empty permissions", right + `,"permissions":[]}`, 400, "INVALID_REQUEST", "permissions"},
		{"account without any", strings.ReplaceAll(right, "alice", "nobody") + `}`, 403, "FORBIDDEN", ""},
		{"not JSON", `account_id=alice`, 400, "INVALID_REQUEST", "body"},
		{"no body", ``, 415, "INVALID_REQUEST", "Content-Type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := f.do(http.MethodPost, "/api/v1/auth/token", "", test.body)
			field, _ := got.Error.Details["field"].(string)
			if got.status != test.status || got.Error.Code != test.code || field != test.field {
				t.Fatalf("got %d %s field %q, want %d %s %q: %s", got.status, got.Error.Code, field, test.status, test.code, test.field, got.text)
			}
			if strings.Contains(got.text, "secret-of") {
				t.Fatal("the answer holds a secret")
			}
		})
	}
}

func TestUnknownAccountAndWrongSecretLookTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wrong := f.do(http.MethodPost, "/api/v1/auth/token", "", `{"account_id":"alice","api_key":"PKalice","secret_key":"x"}`)
	unknown := f.do(http.MethodPost, "/api/v1/auth/token", "", `{"account_id":"mallory","api_key":"PKalice","secret_key":"x"}`)
	if wrong.Error.Message != unknown.Error.Message || wrong.Error.Message != "account or key pair is not right" {
		t.Fatalf("%q and %q", wrong.Error.Message, unknown.Error.Message)
	}
}

func TestTokenOpensTheAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := f.do(http.MethodPost, "/api/v1/auth/token", "",
		`{"account_id":"alice","api_key":"PKalice","secret_key":"secret-of-alice","permissions":["account_read","account_read"]}`)
	token := decodeData[Token](t, got)
	if token.TokenType != "bearer" || token.ExpiresIn != 24*3600 || token.AccountID != alice {
		t.Fatalf("%+v", token)
	}
	if len(token.Permissions) != 1 || token.Permissions[0] != auth.PermissionAccountRead {
		t.Fatalf("permissions %v", token.Permissions)
	}
	if got := f.get("/api/v1/account", token.AccessToken); got.status != 200 {
		t.Fatal(got.text)
	}
}
