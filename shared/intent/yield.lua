-- KEYS: intent, unsettled intents; ARGV: token, member
-- Marks an intent whose outcome is unknown: it may have reached Alpaca, and whoever comes next must look first.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
-- A settled intent is final: its owner may not have heard that it settled it.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'acknowledged' or state == 'rejected' then return 1 end
redis.call('HSET', KEYS[1], 'state', 'submitted', 'lease', 0)
redis.call('ZADD', KEYS[2], 0, ARGV[2])
return 1
