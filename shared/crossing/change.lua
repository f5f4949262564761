-- KEYS: watches, states, IDs of the account's, version, fence, outbox, sequence, seen
-- ARGV: ID, state as it must be, next state ('' ends the watch), fencing token, account, event ('' for none), seen life ms,
--       outbox bound, channel, shard, life of the states ms
-- Returns 1 when the state changed, 0 when it was another already or the watch is gone, -1 for a former feed.
if tonumber(redis.call('GET', KEYS[5]) or '0') > tonumber(ARGV[4]) then return -1 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if (redis.call('HGET', KEYS[2], ARGV[1]) or '0:1') ~= ARGV[2] then return 0 end
if ARGV[6] ~= '' then
  append_event(KEYS[6], KEYS[7], KEYS[8], ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]))
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[11]) then redis.call('PEXPIRE', KEYS[2], ARGV[11]) end
  return 1
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
local version = redis.call('INCR', KEYS[4])
redis.call('PUBLISH', ARGV[9], ARGV[10] .. ' ' .. version .. ' - ' .. ARGV[1])
return 1
