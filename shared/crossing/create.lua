-- KEYS: watches, IDs of the account's, version
-- ARGV: ID, watch, most of an account, life ms, channel, shard
-- Returns how many the account has then, or -1 when it has as many as it may already.
local held = redis.call('SCARD', KEYS[2])
if held >= tonumber(ARGV[3]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
local version = redis.call('INCR', KEYS[3])
for i = 1, 3 do
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
redis.call('PUBLISH', ARGV[5], ARGV[6] .. ' ' .. version .. ' + ' .. ARGV[2])
return held + 1
