package auth_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

func goodHeader() object { return object{"alg": "HS256", "typ": "at+jwt", "kid": "default"} }

func goodClaims() object {
	return object{
		"iss": "opitios-alpaca", "aud": "trading-api", "sub": "bot", "jti": "id-1", "account_id": account,
		"permissions": []string{"trade"}, "iat": start().Unix(), "exp": start().Add(time.Hour).Unix(),
	}
}

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	header, claims := goodHeader(), goodClaims()
	for name, token := range map[string]string{
		"as issued":          signHS256(secret, header.text(), claims.text()),
		"typ JWT":            signHS256(secret, header.with("typ", "JWT").text(), claims.text()),
		"typ application/":   signHS256(secret, header.with("typ", "application/AT+JWT").text(), claims.text()),
		"no typ":             signHS256(secret, header.without("typ").text(), claims.text()),
		"no kid, one key":    signHS256(secret, header.without("kid").text(), claims.text()),
		"list of audiences":  signHS256(secret, header.text(), claims.with("aud", []string{"x", "trading-api"}).text()),
		"iat 60 s ahead":     signHS256(secret, header.text(), claims.with("iat", start().Unix()+60).text()),
		"fraction in exp":    signHS256(secret, header.text(), claims.with("exp", float64(start().Unix())+0.5).text()),
		"no sub":             signHS256(secret, header.text(), claims.without("sub").text()),
		"unknown permission": signHS256(secret, header.text(), claims.with("permissions", []string{"fly", "trade", "trade"}).text()),
		"unknown claim":      signHS256(secret, header.text(), claims.with("colour", "red").text()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newVerifier(t, secretKeys(t), nil, clock.NewFake(start())).Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if got.AccountID != account || len(got.Permissions) != 1 || !got.Allows(auth.PermissionTrade) {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	header, claims := goodHeader(), goodClaims()
	good := signHS256(secret, header.text(), claims.text())
	dot := strings.LastIndex(good, ".")
	withHeader := func(h object) string { return signHS256(secret, h.text(), claims.text()) }
	withClaims := func(c object) string { return signHS256(secret, header.text(), c.text()) }
	duplicated := func(object object, first string) string { return "{" + first + "," + object.text()[1:] }
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"empty":               {"", auth.ErrMalformed},
		"no dots":             {"abc", auth.ErrMalformed},
		"four parts":          {good + ".x", auth.ErrMalformed},
		"garbage":             {"a.b.c", auth.ErrMalformed},
		"header is null":      {signHS256(secret, "null", claims.text()), auth.ErrAlgorithm},
		"claims are null":     {signHS256(secret, header.text(), "null"), auth.ErrMissingClaim},
		"claims are a list":   {signHS256(secret, header.text(), "[]"), auth.ErrMalformed},
		"oversize":            {withClaims(claims.with("pad", strings.Repeat("x", 4096))), auth.ErrTooLarge},
		"alg none":            {encode(header.with("alg", "none").text()) + "." + encode(claims.text()) + ".", auth.ErrAlgorithm},
		"alg NONE":            {encode(header.with("alg", "NONE").text()) + "." + encode(claims.text()) + ".", auth.ErrAlgorithm},
		"alg none, signed":    {withHeader(header.with("alg", "none")), auth.ErrAlgorithm},
		"alg HS512":           {withHeader(header.with("alg", "HS512")), auth.ErrAlgorithm},
		"alg RS256":           {withHeader(header.with("alg", "RS256")), auth.ErrAlgorithm},
		"alg missing":         {withHeader(header.without("alg")), auth.ErrAlgorithm},
		"alg number":          {withHeader(header.with("alg", 5)), auth.ErrAlgorithm},
		"wrong kid":           {withHeader(header.with("kid", "other")), auth.ErrKeyID},
		"kid is a path":       {withHeader(header.with("kid", "../../../../dev/null")), auth.ErrKeyID},
		"kid is SQL":          {withHeader(header.with("kid", "' OR 1=1 --")), auth.ErrKeyID},
		"kid number":          {withHeader(header.with("kid", 1)), auth.ErrMalformed},
		"crit":                {withHeader(header.with("crit", []string{"b64"})), auth.ErrMalformed},
		"typ of a proof":      {withHeader(header.with("typ", "event-proof+jwt")), auth.ErrType},
		"typ dpop":            {withHeader(header.with("typ", "dpop+jwt")), auth.ErrType},
		"header twice":        {signHS256(secret, duplicated(header, `"kid":"x"`), claims.text()), auth.ErrMalformed},
		"claim twice":         {signHS256(secret, header.text(), duplicated(claims, `"account_id":"victim"`)), auth.ErrMalformed},
		"claim in capitals":   {withClaims(claims.without("exp").with("EXP", start().Add(time.Hour).Unix())), auth.ErrMissingClaim},
		"signature cut":       {good[:len(good)-3], auth.ErrSignature},
		"no signature":        {good[:dot+1], auth.ErrSignature},
		"another key":         {signHS256(strings.Repeat("x", 32), header.text(), claims.text()), auth.ErrSignature},
		"empty key":           {signHS256("", header.text(), claims.text()), auth.ErrSignature},
		"no iss":              {withClaims(claims.without("iss")), auth.ErrMissingClaim},
		"no aud":              {withClaims(claims.without("aud")), auth.ErrMissingClaim},
		"no exp":              {withClaims(claims.without("exp")), auth.ErrMissingClaim},
		"exp null":            {withClaims(claims.with("exp", nil)), auth.ErrMissingClaim},
		"no iat":              {withClaims(claims.without("iat")), auth.ErrMissingClaim},
		"no jti":              {withClaims(claims.without("jti")), auth.ErrMissingClaim},
		"no account_id":       {withClaims(claims.without("account_id")), auth.ErrMissingClaim},
		"account_id pattern":  {withClaims(claims.with("account_id", "{s1}*")), auth.ErrClaim},
		"account_id newline":  {withClaims(claims.with("account_id", "a\nb")), auth.ErrClaim},
		"account_id too long": {withClaims(claims.with("account_id", strings.Repeat("a", 129))), auth.ErrClaim},
		"wrong iss":           {withClaims(claims.with("iss", "somebody")), auth.ErrIssuer},
		"wrong aud":           {withClaims(claims.with("aud", "trading-events")), auth.ErrAudience},
		"wrong auds":          {withClaims(claims.with("aud", []string{"x", "y"})), auth.ErrAudience},
		"expired now":         {withClaims(claims.with("exp", start().Unix())), auth.ErrExpired},
		"exp huge":            {signHS256(secret, header.text(), `{"exp":1e300,`+claims.without("exp").text()[1:]), auth.ErrMalformed},
		"exp text":            {withClaims(claims.with("exp", "tomorrow")), auth.ErrMalformed},
		"exp negative":        {withClaims(claims.with("exp", -1)), auth.ErrMalformed},
		"iat 61 s ahead":      {withClaims(claims.with("iat", start().Unix()+61)), auth.ErrIssuedInFuture},
		"nbf ahead":           {withClaims(claims.with("nbf", start().Unix()+1)), auth.ErrNotYetValid},
		"permissions text":    {withClaims(claims.with("permissions", "admin")), auth.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := newVerifier(t, secretKeys(t), nil, clock.NewFake(start()))
			claims, err := verifier.Verify(t.Context(), test.token)
			mustRefuse(t, err, test.want)
			if claims != nil {
				t.Fatal("claims came with an error")
			}
		})
	}
}

// TestPublicKeyIsNoSecret is the HS/RS confusion: an HMAC whose key is the public key that everybody may have.
func TestPublicKeyIsNoSecret(t *testing.T) {
	t.Parallel()
	private := rsaKey(t, 2048)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	encoded := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	keys := loadKeys(t, auth.KeyConfig{Secret: secret, KeysFile: keysFile(t, publicOnly(jwk(t, private, "rsa", "RS256")))})
	verifier := newVerifier(t, keys, nil, clock.NewFake(start()))
	for _, public := range []string{encoded, string(der)} {
		_, err = verifier.Verify(t.Context(), signHS256(public, goodHeader().with("kid", "rsa").text(), goodClaims().text()))
		mustRefuse(t, err, auth.ErrAlgorithm)
	}
}

func TestMissingKidIsRefusedAmongSeveralKeys(t *testing.T) {
	t.Parallel()
	keys := loadKeys(t, auth.KeyConfig{Secret: secret, KeysFile: keysFile(t, jwk(t, ecKey(t, elliptic.P256()), "ec", "ES256"))})
	token := signHS256(secret, goodHeader().without("kid").text(), goodClaims().text())
	_, err := newVerifier(t, keys, nil, clock.NewFake(start())).Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrKeyID)
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	token := signHS256(secret, goodHeader().text(), goodClaims().text())
	strict, lenient := newVerifier(t, secretKeys(t), nil, clk), newVerifier(t, secretKeys(t), nil, clk, auth.WithLeeway(5*time.Second))
	clk.Advance(time.Hour + 4*time.Second)
	_, err := strict.Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrExpired)
	if _, err := lenient.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	clk.Advance(time.Second)
	_, err = lenient.Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrExpired)
	for _, wrong := range []time.Duration{-1, time.Hour} {
		if _, err := auth.NewVerifier(secretKeys(t), nil, clk, auth.WithLeeway(wrong)); err == nil {
			t.Fatalf("leeway %s accepted", wrong)
		}
	}
}

func TestPublicMessagesDiffer(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, secretKeys(t), nil, clock.NewFake(start()))
	for want, claims := range map[string]object{
		"token has expired":                  goodClaims().with("exp", 1),
		"token audience is not trading-api":  goodClaims().with("aud", "x"),
		"token issuer is not opitios-alpaca": goodClaims().with("iss", "x"),
		"token has no exp":                   goodClaims().without("exp"),
	} {
		_, err := verifier.Verify(t.Context(), signHS256(secret, goodHeader().text(), claims.text()))
		if got := problem.From(err).Message; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
