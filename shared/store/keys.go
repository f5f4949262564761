package store

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// Shards is how many hash slots the accounts are spread over. It is part of the stored data: changing it needs an
// empty Redis.
const Shards = 64

// Shard returns the shard of an account, 0 to Shards-1.
func Shard(accountID string) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(accountID)) // a hash.Hash never returns an error
	return int(hash.Sum32() % Shards)
}

// ShardTag is the hash tag that puts all keys of a shard into one Redis Cluster slot.
func ShardTag(shard int) string { return "{s" + strconv.Itoa(shard) + "}" }

// The keys of an account. All of them carry its shard's tag, so that one script can change several.

// IntentKey holds the order intent of (account, client order ID): a hash.
func IntentKey(accountID, clientOrderID string) string {
	return accountKey("intent", accountID, clientOrderID)
}

// IdempotencyKey maps (account, Idempotency-Key) to its client order ID and body fingerprint: a string.
func IdempotencyKey(accountID, key string) string { return accountKey("idempotency", accountID, key) }

// ProofSourceKey holds the source that a command's proof came from first, by the digest of what it signs, for as long as it may hold: a string.
func ProofSourceKey(accountID, digest string) string {
	return accountKey("proof-source", accountID, digest)
}

// BucketKey is the token bucket of (account, scope), for example scope "orders": a string.
func BucketKey(accountID, scope string) string { return accountKey("bucket", accountID, scope) }

// UpstreamTakenKey holds when requests to one of Alpaca's two APIs ("trading", "data") were taken from what it allows
// the account a minute: a list.
func UpstreamTakenKey(accountID, api string) string {
	return accountKey("upstream", accountID, api, "taken")
}

// UpstreamSaidKey holds what Alpaca's rate-limit headers said of the same: a hash.
func UpstreamSaidKey(accountID, api string) string {
	return accountKey("upstream", accountID, api, "said")
}

// SnapshotKey is the cached account or positions of an account, kind "account" or "positions": a hash.
func SnapshotKey(accountID, kind string) string { return accountKey("snapshot", accountID, kind) }

// GenerationKey counts the changes of an account, so that a snapshot read before a change is not stored after it.
func GenerationKey(accountID string) string { return accountKey("generation", accountID) }

// SequenceKey is the number of the account's last event, which only ever grows: a string.
func SequenceKey(accountID string) string { return accountKey("sequence", accountID) }

// SeenKey marks that an event of an account went into the outbox: a string.
func SeenKey(accountID, eventID string) string { return accountKey("seen", accountID, eventID) }

// CursorKey is the ID of the last trade event of an account that was taken over: a string.
func CursorKey(accountID string) string { return accountKey("cursor", accountID) }

// UpdatesLeaseKey is the lease on an account's trade-update stream: a hash.
func UpdatesLeaseKey(accountID string) string { return accountKey("lease-updates", accountID) }

// StreamConnectionsKey holds the open market-data streams of an account, scored by the millisecond their place ends: a
// sorted set.
func StreamConnectionsKey(accountID string) string { return accountKey("streams", accountID) }

// RiskSnapshotKey is what risk controls know of an account's money: a hash.
func RiskSnapshotKey(accountID string) string { return accountKey("risk", accountID) }

// RiskPositionsKey holds the account's signed position in each symbol at the time of the same snapshot: a hash.
func RiskPositionsKey(accountID string) string { return accountKey("risk", accountID, "positions") }

// HoldsKey holds what the account's orders may still do to it, by client order ID: a hash.
func HoldsKey(accountID string) string { return accountKey("risk", accountID, "holds") }

// HoldSumsKey holds what the holds add up to: a hash (lua/holds.lua).
func HoldSumsKey(accountID string) string { return accountKey("risk", accountID, "sums") }

// RepeatsKey holds when an order of that content came: a list.
func RepeatsKey(accountID, content string) string {
	return accountKey("risk", accountID, "repeats", content)
}

// AccountWatchesKey holds the IDs of an account's price watches: a set.
func AccountWatchesKey(accountID string) string { return accountKey("watches-of", accountID) }

// The keys of a shard.

// KillSwitchKey holds the kill switches of the shard's accounts, and under "*" that of all: a hash.
func KillSwitchKey(shard int) string { return "kill-switch:" + ShardTag(shard) }

// OutboxKey is the shard's outbox: a stream.
func OutboxKey(shard int) string { return "outbox:" + ShardTag(shard) }

// OutboxLeaseKey is the lease on draining the shard's outbox: a hash.
func OutboxLeaseKey(shard int) string { return "lease-outbox:" + ShardTag(shard) }

// UnsettledKey holds the shard's intents without a final state, scored by the millisecond their lease ends: a sorted
// set.
func UnsettledKey(shard int) string { return "unsettled:" + ShardTag(shard) }

// ActiveAccountsKey holds the shard's accounts with open orders, scored by the millisecond of their last order: a
// sorted set.
func ActiveAccountsKey(shard int) string { return "active:" + ShardTag(shard) }

// MemoryKey names the Redis server that holds the shard, so that the loss of its data, or another server in its place, is
// noticed: a string, one for each shard.
func MemoryKey(shard int) string { return "memory:" + ShardTag(shard) }

// WatchesKey holds the shard's price watches by ID: a hash.
func WatchesKey(shard int) string { return "watches:" + ShardTag(shard) }

// WatchStatesKey holds how often each of the shard's repeated watches has fired, and whether it may again: a hash.
func WatchStatesKey(shard int) string { return "watch-states:" + ShardTag(shard) }

// WatchVersionKey counts the changes of the shard's watches: a string.
func WatchVersionKey(shard int) string { return "watch-version:" + ShardTag(shard) }

// WatchFenceKey is the largest fencing token of a feed that evaluates the shard's watches: a string.
func WatchFenceKey(shard int) string { return "watch-fence:" + ShardTag(shard) }

// The keys of the market carry the symbol as their tag.

// QuoteKey is what is newest of a stock, an option or a crypto pair: a hash (docs/quotes.md has its fields).
func QuoteKey(symbol string) string { return "quote:{" + symbol + "}" }

// DocumentKey is a cached page or document of a symbol, kind "bars", "chain" and the like: a hash.
func DocumentKey(kind, symbol, query string) string {
	return "market:{" + symbol + "}:" + kind + ":" + query
}

// FetchLeaseKey is held by the instance that is fetching a value from Alpaca for all: a string.
func FetchLeaseKey(kind, symbol, query string) string {
	return "fetch:{" + symbol + "}:" + kind + ":" + query
}

// The keys of the market-data feed. All of them share a slot.

// FeedLeaseKey is the lease on the upstream market-data sockets: a hash.
func FeedLeaseKey() string { return "lease:{feed}" }

// FeedStatusKey is what the feed says of itself: a string.
func FeedStatusKey() string { return "status:{feed}" }

// InterestInstancesKey holds the instances that serve streams, scored by the millisecond their word ends: a sorted set.
func InterestInstancesKey() string { return "interest:{feed}:instances" }

// InterestVersionsKey holds the version of each instance's interest: a hash.
func InterestVersionsKey() string { return "interest:{feed}:versions" }

// InterestKey holds the topics that the clients of an instance watch: a set.
func InterestKey(instance string) string { return "interest:{feed}:of:" + instance }

// The keys of the ceilings over all accounts. All of them share a slot.

// CeilingsKey is what the orders of all accounts add up to: a hash (shared/ceiling).
func CeilingsKey() string { return "ceilings:{all}" }

// CeilingsOrdersKey holds every order that counts as open: a hash.
func CeilingsOrdersKey() string { return "ceilings:{all}:orders" }

// CeilingsWindowKey holds when the last orders were let through, and what they are worth: a list.
func CeilingsWindowKey() string { return "ceilings:{all}:window" }

// CeilingsLeaseKey is the lease on comparing the orders with Alpaca: a hash.
func CeilingsLeaseKey() string { return "lease-ceilings:{all}" }

// Keys that belong to nobody in particular.

// MarketHoursKey holds what was last read of Alpaca's clock and calendar: a string, JSON.
func MarketHoursKey() string { return "market-hours" }

// MarketStream stands where an account would, for the events of the exchange's day: they have an order among themselves
// and go through the outbox of one shard.
const MarketStream = "ai.opitios.market"

// MarketSessionKey is the last session that was announced: a string, date and place in the day.
func MarketSessionKey() string { return accountKey("market-session", MarketStream) }

// StreamResumeKey is what a stream watched that was ended by us: a string.
func StreamResumeKey(token string) string { return "stream-resume:{" + token + "}" }

// DeadLettersKey holds what no subscriber would take: a stream.
func DeadLettersKey() string { return "dead-letters" }

// The channels.

// RevokedTokensChannel carries the jti of a token that was just revoked.
func RevokedTokensChannel() string { return "auth.revoked" }

// ActiveAccountsChannel carries the ID of an account that just got an order.
func ActiveAccountsChannel() string { return "updates.active" }

// InterestChannel carries the name of an instance whose clients watch something else now.
func InterestChannel() string { return "feed.interest" }

// TicksChannel carries the ticks of a class whose symbols are in a shard.
func TicksChannel(class string, shard int) string {
	return "feed.ticks." + class + "." + strconv.Itoa(shard)
}

// FeedStatusChannel carries what the feed says of itself.
func FeedStatusChannel() string { return "feed.status" }

// WatchesChannel carries changes of price watches.
func WatchesChannel() string { return "feed.watches" }

// accountKey is "kind:{s17}:account" or "kind:{s17}:account:rest". An order needs a dozen of them: one string each.
func accountKey(kind, accountID string, rest ...string) string {
	shard := strconv.Itoa(Shard(accountID))
	switch len(rest) { // each case is one allocation
	case 0:
		return kind + ":{s" + shard + "}:" + accountID
	case 1:
		return kind + ":{s" + shard + "}:" + accountID + ":" + rest[0]
	default:
		return kind + ":{s" + shard + "}:" + accountID + ":" + strings.Join(rest, ":")
	}
}
