package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/MicahParks/jwkset"
)

// readKeysFile reads a JSON Web Key Set (RFC 7517).
func readKeysFile(path string) ([]*key, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err // names the path
	}
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%s is not a JSON Web Key Set: %w", path, err)
	}
	var keys []*key
	for i, marshalled := range set.Keys {
		if marshalled.USE == jwkset.UseEnc {
			continue
		}
		k, err := keyOf(marshalled)
		if err != nil {
			return nil, fmt.Errorf("%s: keys[%d]: %w", path, i, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no signature key", path)
	}
	return keys, nil
}

func keyOf(marshalled jwkset.JWKMarshal) (*key, error) {
	jwk, err := jwkset.NewJWKFromMarshal(marshalled, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, fmt.Errorf("kid %.32q: %w", marshalled.KID, err)
	}
	signing, verification, err := halves(jwk.Key())
	if err != nil {
		return nil, fmt.Errorf("kid %.32q: %w", marshalled.KID, err)
	}
	if marshalled.D != "" && signing == nil {
		return nil, fmt.Errorf("kid %.32q: a private RSA key needs d, p, q, dp, dq and qi", marshalled.KID)
	}
	k, err := newKey(marshalled.KID, string(marshalled.ALG), signing, verification)
	if err != nil {
		return nil, err
	}
	if !permits(marshalled.KEYOPS, jwkset.KeyOpsSign) {
		k.signing = nil
	}
	if !permits(marshalled.KEYOPS, jwkset.KeyOpsVerify) {
		k.verification = nil
	}
	if k.signing == nil && k.verification == nil {
		return nil, fmt.Errorf("key %q: key_ops allow neither sign nor verify", k.id)
	}
	return k, nil
}

// permits reports whether key_ops, which may be absent, allow the operation (RFC 7517, 4.3).
func permits(operations []jwkset.KEYOPS, operation jwkset.KEYOPS) bool {
	return len(operations) == 0 || slices.Contains(operations, operation)
}

// halves returns what signs (nil for a public key) and what verifies.
func halves(material any) (signing, verification any, err error) {
	switch k := material.(type) {
	case []byte:
		return k, k, nil
	case ed25519.PrivateKey:
		return k, k.Public(), nil
	case *ecdsa.PrivateKey:
		return k, &k.PublicKey, nil
	case *rsa.PrivateKey:
		return k, &k.PublicKey, nil
	case ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey:
		return nil, k, nil
	}
	return nil, nil, errors.New("the key type can't sign")
}
