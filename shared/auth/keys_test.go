package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/MicahParks/jwkset"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicOnly(key jwkset.JWKMarshal) jwkset.JWKMarshal {
	key.D, key.P, key.Q, key.DP, key.DQ, key.QI = "", "", "", "", "", ""
	return key
}

func TestEveryAlgorithmSignsAndItsPublicKeyVerifies(t *testing.T) {
	t.Parallel()
	for alg, material := range map[string]any{
		"HS256": []byte(secret), "HS512": []byte(secret + secret), "EdDSA": edKey(t),
		"ES256": ecKey(t, elliptic.P256()), "RS256": rsaKey(t, 2048),
	} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key, clk := jwk(t, material, "k1", alg), clock.NewFake(start())
			issuer := newIssuer(t, loadKeys(t, auth.KeyConfig{KeysFile: keysFile(t, key), Algorithms: []string{alg}}), clk)
			token, want := issue(t, issuer, auth.PermissionTrade)
			elsewhere := loadKeys(t, auth.KeyConfig{KeysFile: keysFile(t, publicOnly(key))})
			got, err := newVerifier(t, elsewhere, nil, clk).Verify(t.Context(), token)
			if err != nil || got.ID != want.ID || got.AccountID != account || !got.ExpiresAt.Equal(want.ExpiresAt) {
				t.Fatalf("got %v, %v, want %v", got, err, want)
			}
			if _, err := auth.NewIssuer(elsewhere, 0, clk); (err == nil) != strings.HasPrefix(alg, "HS") {
				t.Fatalf("a public key signed, or a secret did not: %v", err)
			}
		})
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	t.Parallel()
	ed, ec, weak := edKey(t), ecKey(t, elliptic.P256()), rsaKey(t, 1024)
	strong := rsaKey(t, 2048)
	edJWK := jwk(t, ed, "ed", "EdDSA")
	foreign := edJWK
	foreign.X = jwk(t, edKey(t), "x", "EdDSA").X
	foreignEC := jwk(t, ec, "ec", "ES256")
	other := jwk(t, ecKey(t, elliptic.P256()), "ec", "ES256")
	foreignEC.X, foreignEC.Y = other.X, other.Y
	onlyD := jwk(t, strong, "rsa", "RS256")
	onlyD.P, onlyD.Q, onlyD.DP, onlyD.DQ, onlyD.QI = "", "", "", "", ""
	with := func(change func(*jwkset.JWKMarshal)) auth.KeyConfig {
		changed := edJWK
		change(&changed)
		return auth.KeyConfig{KeysFile: keysFile(t, changed)}
	}
	file := func(keys ...jwkset.JWKMarshal) auth.KeyConfig { return auth.KeyConfig{KeysFile: keysFile(t, keys...)} }
	for name, test := range map[string]struct {
		cfg  auth.KeyConfig
		want string
	}{
		"nothing":                  {auth.KeyConfig{}, "JWT_SECRET or JWT_KEYS_FILE"},
		"short secret":             {auth.KeyConfig{Secret: "hunter2"}, "JWT_SECRET"},
		"no file":                  {auth.KeyConfig{KeysFile: "/nonexistent/keys"}, "JWT_KEYS_FILE"},
		"not JSON":                 {auth.KeyConfig{KeysFile: writeFile(t, "-----BEGIN")}, "JWT_KEYS_FILE"},
		"empty set":                {auth.KeyConfig{KeysFile: writeFile(t, `{"keys":[]}`)}, "no signature key"},
		"only encryption keys":     {with(func(k *jwkset.JWKMarshal) { k.USE = "enc" }), "no signature key"},
		"unknown use":              {with(func(k *jwkset.JWKMarshal) { k.USE = "both" }), "use"},
		"no kid":                   {with(func(k *jwkset.JWKMarshal) { k.KID = "" }), "kid"},
		"kid of an account":        {with(func(k *jwkset.JWKMarshal) { k.KID = "account:1" }), "kid"},
		"no alg":                   {with(func(k *jwkset.JWKMarshal) { k.ALG = "" }), "alg"},
		"alg none":                 {with(func(k *jwkset.JWKMarshal) { k.ALG = "none" }), "alg"},
		"alg of another family":    {with(func(k *jwkset.JWKMarshal) { k.ALG = "RS256" }), "alg"},
		"useless key_ops":          {with(func(k *jwkset.JWKMarshal) { k.KEYOPS = []jwkset.KEYOPS{"encrypt"} }), "key_ops"},
		"public key of another":    {file(foreign), "do not belong together"},
		"EC public key of another": {file(foreignEC), "do not belong together"},
		"RSA too short":            {file(jwk(t, weak, "rsa", "RS256")), "2048"},
		"RSA without primes":       {file(onlyD), "p, q"},
		"ES256 on P-384":           {file(jwk(t, ecKey(t, elliptic.P384()), "ec", "ES256")), "does not fit"},
		"RSA key as HMAC":          {file(jwk(t, strong, "rsa", "HS256")), "does not fit"},
		"HS512 with 32 bytes":      {file(jwk(t, []byte(secret), "hs", "HS512")), "64"},
		"same kid twice":           {file(edJWK, jwk(t, ec, "ed", "ES256")), "two keys"},
		"kid of the secret":        {auth.KeyConfig{Secret: secret, KeysFile: keysFile(t, jwk(t, ec, "default", "ES256"))}, "two keys"},
		"one key, two algorithms": {
			file(jwk(t, []byte(secret+secret), "a", "HS256"), jwk(t, []byte(secret+secret), "b", "HS512")), "one algorithm",
		},
		"algorithm not allowed": {auth.KeyConfig{Secret: secret, Algorithms: []string{"ES256"}}, "JWT_ALGORITHMS"},
		"unknown algorithm":     {auth.KeyConfig{Secret: secret, Algorithms: []string{"none"}}, "JWT_ALGORITHMS"},
		"unknown signing key":   {auth.KeyConfig{Secret: secret, SigningKeyID: "x"}, "JWT_SIGNING_KEY_ID"},
		"public signing key": {
			auth.KeyConfig{KeysFile: keysFile(t, publicOnly(edJWK)), SigningKeyID: "ed"}, "JWT_SIGNING_KEY_ID",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.LoadKeys(test.cfg)
			if !errors.Is(err, auth.ErrKeys) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want ErrKeys with %q", err, test.want)
			}
			if test.cfg.Secret != "" && strings.Contains(err.Error(), test.cfg.Secret) {
				t.Fatal("the error shows the secret")
			}
		})
	}
}

func TestKeyOperationsAreHonoured(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	key := jwk(t, edKey(t), "ed", "EdDSA")
	signOnly, verifyOnly := key, key
	signOnly.KEYOPS, verifyOnly.KEYOPS = []jwkset.KEYOPS{"sign"}, []jwkset.KEYOPS{"verify"}
	keys := loadKeys(t, auth.KeyConfig{KeysFile: keysFile(t, signOnly)})
	token, _ := issue(t, newIssuer(t, keys, clk), auth.PermissionTrade)
	_, err := newVerifier(t, keys, nil, clk).Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrKeyID)
	keys = loadKeys(t, auth.KeyConfig{KeysFile: keysFile(t, verifyOnly)})
	if _, err := newVerifier(t, keys, nil, clk).Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.NewIssuer(keys, 0, clk); !errors.Is(err, auth.ErrKeys) {
		t.Fatalf("a key that may only verify signs: %v", err)
	}
}

func TestSigningKeyMustBeClear(t *testing.T) {
	t.Parallel()
	cfg := auth.KeyConfig{Secret: secret, KeysFile: keysFile(t, jwk(t, edKey(t), "ed", "EdDSA"))}
	if _, err := auth.NewIssuer(loadKeys(t, cfg), 0, clock.System{}); !errors.Is(err, auth.ErrKeys) {
		t.Fatalf("got %v", err)
	}
	cfg.SigningKeyID = "ed"
	if _, err := auth.NewIssuer(loadKeys(t, cfg), 0, clock.System{}); err != nil {
		t.Fatal(err)
	}
}

func TestConfigurationNeverPrintsTheSecret(t *testing.T) {
	t.Parallel()
	cfg := auth.KeyConfig{Secret: secret}
	keys := loadKeys(t, cfg)
	for _, text := range []string{
		fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %v", cfg, cfg, &cfg), fmt.Sprintf("%+v %#v", keys, *keys),
	} {
		if strings.Contains(text, secret) {
			t.Fatal("the secret is in a text form")
		}
	}
}
