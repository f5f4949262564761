package auth_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

func TestAllowsAndCanReach(t *testing.T) {
	t.Parallel()
	trader := &auth.Claims{AccountID: "a", Permissions: []auth.Permission{auth.PermissionTrade}}
	admin := &auth.Claims{AccountID: "a", Permissions: []auth.Permission{auth.PermissionAdmin}}
	var nobody *auth.Claims
	for name, test := range map[string]struct{ got, want bool }{
		"trader trades":           {trader.Allows(auth.PermissionTrade), true},
		"trader reads no account": {trader.Allows(auth.PermissionAccountRead), false},
		"trader is no admin":      {trader.Allows(auth.PermissionAdmin), false},
		"admin trades":            {admin.Allows(auth.PermissionTrade), true},
		"nobody trades":           {nobody.Allows(auth.PermissionTrade), false},
		"own account":             {trader.CanReach("a"), true},
		"other account":           {trader.CanReach("b"), false},
		"no account":              {trader.CanReach(""), false},
		"admin, other account":    {admin.CanReach("b"), true},
		"nobody":                  {nobody.CanReach("a"), false},
		"claims without account":  {(&auth.Claims{}).CanReach(""), false},
	} {
		if test.got != test.want {
			t.Errorf("%s: %t", name, test.got)
		}
	}
}

func TestParsePermission(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trade", "market_data", "account_read", "admin"} {
		if got, err := auth.ParsePermission(name); err != nil || string(got) != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "Trade", "admin ", "*"} {
		_, err := auth.ParsePermission(name)
		if !errors.Is(err, problem.InvalidRequest) || problem.From(err).Details["field"] != "permissions" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestClaimsTravelInTheContext(t *testing.T) {
	t.Parallel()
	if _, ok := auth.ClaimsFrom(t.Context()); ok {
		t.Fatal("claims out of nothing")
	}
	if _, ok := auth.ClaimsFrom(auth.WithClaims(t.Context(), nil)); ok {
		t.Fatal("nil claims count")
	}
	want := &auth.Claims{AccountID: "a"}
	if got, ok := auth.ClaimsFrom(auth.WithClaims(t.Context(), want)); !ok || got != want {
		t.Fatal("claims were lost")
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers []string
		want    string
	}{
		"usual":             {[]string{"Bearer a.b.c"}, "a.b.c"},
		"lower case":        {[]string{"bearer a.b.c"}, "a.b.c"},
		"two spaces":        {[]string{"BEARER  a.b.c "}, "a.b.c"},
		"none":              {nil, ""},
		"two headers":       {[]string{"Bearer a", "Bearer b"}, ""},
		"basic":             {[]string{"Basic YTpi"}, ""},
		"scheme only":       {[]string{"Bearer"}, ""},
		"scheme, space":     {[]string{"Bearer "}, ""},
		"two tokens":        {[]string{"Bearer a b"}, ""},
		"token only":        {[]string{"a.b.c"}, ""},
		"scheme longer":     {[]string{"BearerX a"}, ""},
		"tab in the middle": {[]string{"Bearer a\tb"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = test.headers
			got, err := auth.Bearer(r)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Fatalf("got %q, %v", got, err)
			}
			if err != nil {
				mustRefuse(t, err, auth.ErrMissing)
			}
		})
	}
}
