package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

const (
	// defaultKeyID is the kid of the key made of JWT_SECRET.
	defaultKeyID = "default"
	// accountKeyPrefix marks the kid of a proof that an account's own Alpaca secret signed. No token key may use it.
	accountKeyPrefix  = "account:"
	minimumRSABits    = 2048
	minimumHS256Bytes = sha256.Size
	minimumHS512Bytes = 64 // RFC 7518, 3.2: as long as the hash
	maximumKeyIDBytes = 128
	knownAlgorithms   = "HS256, HS512, EdDSA, ES256, RS256"
)

// ErrKeys is wrapped by every error of LoadKeys and NewIssuer that the operator's configuration causes.
var ErrKeys = errors.New("auth: token keys are not usable")

// KeyConfig says which keys sign and verify tokens. Its text forms leave the secret out.
type KeyConfig struct {
	// Secret (JWT_SECRET) is an HS256 key of at least 32 bytes with kid "default".
	Secret string
	// KeysFile (JWT_KEYS_FILE) is the path of a JSON Web Key Set. Each key needs kid and one alg of HS256, HS512,
	// EdDSA, ES256 and RS256. Public keys verify, private ones also sign, within their key_ops; use "enc" is skipped.
	KeysFile string
	// SigningKeyID (JWT_SIGNING_KEY_ID) is the kid that signs new tokens. It may be empty when just one key can.
	SigningKeyID string
	// Algorithms (JWT_ALGORITHMS) are the allowed ones; a key of another is an error. Empty: those of the keys.
	Algorithms []string
}

// String returns the configuration without the secret.
func (c KeyConfig) String() string {
	return fmt.Sprintf("KeyConfig{Secret set: %t, KeysFile: %q, SigningKeyID: %q, Algorithms: %q}",
		c.Secret != "", c.KeysFile, c.SigningKeyID, c.Algorithms)
}

// GoString returns the same as String.
func (c KeyConfig) GoString() string { return c.String() }

// Keys are the token keys by kid. They never change and may be used concurrently. Create them with LoadKeys.
type Keys struct {
	byID         map[string]*key
	signingKeyID string
}

// key is one key with its one algorithm. signing or verification is nil where the key may not be used for it.
type key struct {
	id           string
	method       jwt.SigningMethod
	signing      any
	verification any
	fingerprint  [sha256.Size]byte
}

// LoadKeys reads the keys and checks each: strength, algorithm, that private and public half belong together. Its
// errors wrap ErrKeys and name the variable at fault, never key material.
func LoadKeys(cfg KeyConfig) (*Keys, error) {
	loaded, err := loadAll(cfg)
	if err != nil {
		return nil, err
	}
	keys := &Keys{byID: make(map[string]*key, len(loaded)), signingKeyID: cfg.SigningKeyID}
	for _, k := range loaded {
		if err := keys.add(k, cfg.Algorithms); err != nil {
			return nil, err
		}
	}
	if len(keys.byID) == 0 {
		return nil, fmt.Errorf("%w: set JWT_SECRET or JWT_KEYS_FILE", ErrKeys)
	}
	if signer, ok := keys.byID[cfg.SigningKeyID]; cfg.SigningKeyID != "" && (!ok || signer.signing == nil) {
		return nil, fmt.Errorf("%w: JWT_SIGNING_KEY_ID: no key %q that may sign", ErrKeys, cfg.SigningKeyID)
	}
	return keys, nil
}

func loadAll(cfg KeyConfig) ([]*key, error) {
	for _, name := range cfg.Algorithms {
		if signingMethod(name) == nil {
			return nil, fmt.Errorf("%w: JWT_ALGORITHMS: %q is not one of %s", ErrKeys, name, knownAlgorithms)
		}
	}
	var loaded []*key
	if cfg.Secret != "" {
		k, err := newKey(defaultKeyID, "HS256", []byte(cfg.Secret), []byte(cfg.Secret))
		if err != nil {
			return nil, fmt.Errorf("%w: JWT_SECRET: %w", ErrKeys, err)
		}
		loaded = append(loaded, k)
	}
	if cfg.KeysFile == "" {
		return loaded, nil
	}
	fromFile, err := readKeysFile(cfg.KeysFile)
	if err != nil {
		return nil, fmt.Errorf("%w: JWT_KEYS_FILE: %w", ErrKeys, err)
	}
	return append(loaded, fromFile...), nil
}

func (k *Keys) add(added *key, allowed []string) error {
	if len(allowed) > 0 && !slices.Contains(allowed, added.method.Alg()) {
		return fmt.Errorf("%w: key %q is for %s, which JWT_ALGORITHMS does not allow", ErrKeys, added.id, added.method.Alg())
	}
	if _, taken := k.byID[added.id]; taken {
		return fmt.Errorf("%w: JWT_KEYS_FILE: two keys have kid %q (JWT_SECRET's is %q)", ErrKeys, added.id, defaultKeyID)
	}
	for _, other := range k.byID {
		if other.fingerprint == added.fingerprint {
			return fmt.Errorf("%w: keys %q and %q are the same key; one key has one kid and one algorithm",
				ErrKeys, other.id, added.id)
		}
	}
	k.byID[added.id] = added
	return nil
}

// signer returns the key that signs new tokens.
func (k *Keys) signer() (*key, error) {
	if k.signingKeyID != "" {
		return k.byID[k.signingKeyID], nil
	}
	var only *key
	for _, candidate := range k.byID {
		if candidate.signing == nil {
			continue
		}
		if only != nil {
			return nil, fmt.Errorf("%w: several keys may sign: set JWT_SIGNING_KEY_ID", ErrKeys)
		}
		only = candidate
	}
	if only == nil {
		return nil, fmt.Errorf("%w: no key may sign: JWT_KEYS_FILE has public keys only", ErrKeys)
	}
	return only, nil
}

// algorithms returns the names that a token may carry, sorted.
func (k *Keys) algorithms() []string {
	names := make(map[string]bool, len(k.byID))
	for _, one := range k.byID {
		names[one.method.Alg()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// lookup returns what verifies a token with that kid and algorithm. A token without kid is for the only key.
// kid is compared, never used as a path or a query.
func (k *Keys) lookup(kid, algorithm, what string) (any, error) {
	found, ok := k.byID[kid]
	if kid == "" && len(k.byID) == 1 {
		for _, found = range k.byID {
			ok = true
		}
	}
	if !ok || found.verification == nil {
		return nil, unknownKey(what)
	}
	if found.method.Alg() != algorithm {
		return nil, refuse(ErrAlgorithm, "%s algorithm is not that of its key", what)
	}
	return found.verification, nil
}

func unknownKey(what string) *problem.Error {
	return refuse(ErrKeyID, "%s is signed with an unknown key", what)
}

// signingMethod returns nil for what is not allowed, "none" included.
func signingMethod(algorithm string) jwt.SigningMethod {
	switch algorithm {
	case "HS256":
		return jwt.SigningMethodHS256
	case "HS512":
		return jwt.SigningMethodHS512
	case "EdDSA":
		return jwt.SigningMethodEdDSA
	case "ES256":
		return jwt.SigningMethodES256
	case "RS256":
		return jwt.SigningMethodRS256
	}
	return nil
}

// newKey checks the material. signing is nil for a public key.
func newKey(id, algorithm string, signing, verification any) (*key, error) {
	if id == "" || len(id) > maximumKeyIDBytes || strings.HasPrefix(id, accountKeyPrefix) {
		return nil, fmt.Errorf("kid %.32q must be 1 to %d bytes and not begin with %q", id, maximumKeyIDBytes, accountKeyPrefix)
	}
	method := signingMethod(algorithm)
	if method == nil {
		return nil, fmt.Errorf("key %q: alg %.16q is not one of %s", id, algorithm, knownAlgorithms)
	}
	if err := checkStrength(algorithm, verification); err != nil {
		return nil, fmt.Errorf("key %q: %w", id, err)
	}
	if err := checkPair(method, signing, verification); err != nil {
		return nil, fmt.Errorf("key %q: private and public half do not belong together: %w", id, err)
	}
	fingerprint, err := fingerprintOf(verification)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", id, err)
	}
	return &key{id: id, method: method, signing: signing, verification: verification, fingerprint: fingerprint}, nil
}

// checkStrength also makes sure that the key is of the algorithm's family.
func checkStrength(algorithm string, verification any) error {
	switch material := verification.(type) {
	case []byte:
		return checkSecret(algorithm, material)
	case ed25519.PublicKey:
		if algorithm == "EdDSA" {
			return nil
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && material.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if algorithm == "RS256" && material.N.BitLen() < minimumRSABits {
			return fmt.Errorf("RSA key has %d bits, the minimum is %d", material.N.BitLen(), minimumRSABits)
		}
		if algorithm == "RS256" {
			return nil
		}
	}
	return fmt.Errorf("the key type does not fit alg %s", algorithm)
}

func checkSecret(algorithm string, secret []byte) error {
	minimum := map[string]int{"HS256": minimumHS256Bytes, "HS512": minimumHS512Bytes}[algorithm]
	if minimum == 0 {
		return fmt.Errorf("the key type does not fit alg %s", algorithm)
	}
	if len(secret) < minimum {
		return fmt.Errorf("the secret has %d bytes, the minimum for %s is %d", len(secret), algorithm, minimum)
	}
	return nil
}

// checkPair signs and verifies once: a JWK's public part is only claimed to belong to its private one.
func checkPair(method jwt.SigningMethod, signing, verification any) error {
	if signing == nil {
		return nil
	}
	const probe = "probe"
	signature, err := method.Sign(probe, signing)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if err := method.Verify(probe, signature, verification); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

func fingerprintOf(verification any) ([sha256.Size]byte, error) {
	if secret, ok := verification.([]byte); ok {
		return sha256.Sum256(secret), nil
	}
	encoded, err := x509.MarshalPKIXPublicKey(verification)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode the public key: %w", err)
	}
	return sha256.Sum256(encoded), nil
}
