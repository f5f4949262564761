package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// segment decodes part i of a token.
func segment(t *testing.T, token string, i int) (decoded object) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestIssueWritesWhatTheContractSays(t *testing.T) {
	t.Parallel()
	token, claims := issue(t, newIssuer(t, secretKeys(t), clock.NewFake(start())), auth.PermissionTrade, auth.PermissionAdmin)
	if got, want := segment(t, token, 0).text(), goodHeader().text(); got != want {
		t.Errorf("header is %s, want %s", got, want)
	}
	want := goodClaims().with("jti", claims.ID).with("exp", start().Add(24*time.Hour).Unix()).
		with("permissions", []string{"trade", "admin"})
	if got := segment(t, token, 1).text(); got != asDecoded(t, want) {
		t.Errorf("claims are %s, want %s", got, asDecoded(t, want))
	}
}

// asDecoded writes numbers as they look after a round trip through float64.
func asDecoded(t *testing.T, o object) string {
	t.Helper()
	var decoded object
	if err := json.Unmarshal([]byte(o.text()), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded.text()
}

func TestIssueGivesEveryTokenItsOwnID(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, secretKeys(t), clock.NewFake(start()))
	_, first := issue(t, issuer, auth.PermissionTrade)
	_, second := issue(t, issuer, auth.PermissionTrade)
	if first.ID == "" || first.ID == second.ID {
		t.Fatalf("IDs %q and %q", first.ID, second.ID)
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, secretKeys(t), clock.NewFake(start()))
	trade := []auth.Permission{auth.PermissionTrade}
	for name, test := range map[string]struct {
		accountID, subject string
		permissions        []auth.Permission
		field              string
	}{
		"no account":         {"", "", trade, "account_id"},
		"account of Redis":   {"a{b}", "", trade, "account_id"},
		"no permission":      {account, "", nil, "permissions"},
		"unknown permission": {account, "", []auth.Permission{"fly"}, "permissions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := issuer.Issue(test.accountID, test.subject, test.permissions)
			if !errors.Is(err, problem.InvalidRequest) || problem.From(err).Details["field"] != test.field {
				t.Fatalf("got %v", err)
			}
		})
	}
	if _, _, err := issuer.Issue(account, strings.Repeat("s", 4096), trade); err == nil {
		t.Fatal("issued a token that every verifier refuses")
	}
}

func TestEmptySubjectIsTheAccount(t *testing.T) {
	t.Parallel()
	_, claims, err := newIssuer(t, secretKeys(t), clock.NewFake(start())).Issue(account, "", []auth.Permission{auth.PermissionTrade})
	if err != nil || claims.Subject != account {
		t.Fatalf("got %v, %v", claims, err)
	}
}

func TestConstructorsRefuseWhatCanNotWork(t *testing.T) {
	t.Parallel()
	keys := secretKeys(t)
	_, noClock := auth.NewIssuer(keys, 0, nil)
	_, noKeys := auth.NewIssuer(nil, 0, clock.System{})
	_, negative := auth.NewIssuer(keys, -time.Hour, clock.System{})
	_, verifier := auth.NewVerifier(nil, nil, clock.System{})
	_, proofs := auth.NewProofVerifier(keys, nil, nil)
	for i, err := range []error{noClock, noKeys, negative, verifier, proofs} {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
	}
}
