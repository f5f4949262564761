-- KEYS: intent, unsettled intents, idempotency alias (the intent again to keep it), holds, their sums; ARGV: token, member, alias to forget,
--       client order ID
-- Removes an intent whose order certainly did not reach Alpaca.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
-- A settled intent is final: its owner may not have heard that it settled it.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'acknowledged' or state == 'rejected' then return 1 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
holds_drop(KEYS[4], KEYS[5], ARGV[4])
if ARGV[3] ~= '' and redis.call('GET', KEYS[3]) == ARGV[3] then redis.call('DEL', KEYS[3]) end
return 1
