package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	secret  = "0123456789abcdef0123456789abcdef"
	account = "904837e3-3b76-47ec-b432-046db621571b"
)

func start() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

func loadKeys(t testing.TB, cfg auth.KeyConfig) *auth.Keys {
	t.Helper()
	keys, err := auth.LoadKeys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func secretKeys(t testing.TB) *auth.Keys { return loadKeys(t, auth.KeyConfig{Secret: secret}) }

func newIssuer(t testing.TB, keys *auth.Keys, clk clock.Clock) *auth.Issuer {
	t.Helper()
	issuer, err := auth.NewIssuer(keys, 0, clk)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func newVerifier(t testing.TB, keys *auth.Keys, revocations auth.Revocations, clk clock.Clock, opts ...auth.VerifierOption) *auth.Verifier {
	t.Helper()
	verifier, err := auth.NewVerifier(keys, revocations, clk, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func issue(t testing.TB, issuer *auth.Issuer, permissions ...auth.Permission) (string, *auth.Claims) {
	t.Helper()
	token, claims, err := issuer.Issue(account, "bot", permissions)
	if err != nil {
		t.Fatal(err)
	}
	return token, claims
}

// object is a JSON object; without returns it less one member, with adds or replaces one.
type object map[string]any

func (o object) with(name string, value any) object {
	changed := maps.Clone(o)
	changed[name] = value
	return changed
}

func (o object) without(name string) object {
	changed := maps.Clone(o)
	delete(changed, name)
	return changed
}

func (o object) text() string {
	encoded, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// signHS256 makes a token of any header and payload text, with a right signature.
func signHS256(key, header, payload string) string {
	signed := encode(header) + "." + encode(payload)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + encode(string(mac.Sum(nil)))
}

// mustRefuse checks the kind, the sentinel and that the public message says something without the cause.
func mustRefuse(t *testing.T, err error, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) || !errors.Is(err, problem.InvalidToken) {
		t.Fatalf("got %v, want an INVALID_TOKEN that is %v", err, sentinel)
	}
	if message := problem.From(err).Message; message == "" || strings.Contains(message, "auth:") {
		t.Fatalf("public message is %q", message)
	}
}

func jwk(t testing.TB, key any, kid, alg string) jwkset.JWKMarshal {
	t.Helper()
	made, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: true},
		Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: jwkset.ALG(alg)},
		Validate: jwkset.JWKValidateOptions{SkipAll: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.Marshal()
}

func keysFile(t testing.TB, keys ...jwkset.JWKMarshal) string {
	t.Helper()
	encoded, err := json.Marshal(jwkset.JWKSMarshal{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, string(encoded))
}

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
