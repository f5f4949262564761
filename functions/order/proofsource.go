package order

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// proofMemory outlives every proof, with a minute for clocks that differ.
const proofMemory = auth.MaximumProofTTL + time.Minute

// bindProof lets only the first source that a command's proof came from use it. The client order ID follows from source and
// ID, and no proof covers the source: whoever reads a command could publish it again from elsewhere, and it would be
// another order.
func (f *Function) bindProof(ctx context.Context, e event.Event, accountID string) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.RedisTimeout)
	defer cancel()
	proof := event.Extension(e, event.ExtensionProof)
	// What is signed, not the signature: of that, others can make a second one that holds (ECDSA).
	signed := sha256.Sum256([]byte(proof[:max(0, strings.LastIndexByte(proof, '.'))]))
	key := store.ProofSourceKey(accountID, hex.EncodeToString(signed[:]))
	err := f.Redis.SetArgs(ctx, key, e.Source(), redis.SetArgs{Mode: "NX", TTL: proofMemory}).Err()
	if err == nil {
		return nil
	}
	if errors.Is(err, redis.Nil) {
		var first string
		if first, err = f.Redis.Get(ctx, key).Result(); err == nil && first != e.Source() {
			return problem.InvalidToken.New("the proof came with another source before").Field("source")
		}
	}
	if err != nil {
		return problem.Unavailable.New("can't tell whether the proof was used before").Because(err)
	}
	return nil
}
