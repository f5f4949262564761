-- KEYS: watches, IDs of the account's, version, states
-- ARGV: ID, channel, shard
-- Returns 0 when the account has no such watch.
if redis.call('SREM', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
local version = redis.call('INCR', KEYS[3])
redis.call('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. version .. ' - ' .. ARGV[1])
return 1
