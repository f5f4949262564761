-- KEYS: intent, unsettled intents, outbox, sequence, seen, generation, account snapshot, positions snapshot
-- ARGV: token, state, result, member of the unsettled set, account, event ('' for none), seen life ms, outbox bound
-- Returns 1 when settled, 0 when another owner has the intent by now.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
-- A settled intent is final: its owner may not have heard that it settled it.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'acknowledged' or state == 'rejected' then return 1 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'result', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[4])
if ARGV[6] ~= '' then
  append_event(KEYS[3], KEYS[4], KEYS[5], ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]))
end
-- An accepted order holds buying power: what was cached of the account is no longer so.
redis.call('INCR', KEYS[6])
redis.call('PEXPIRE', KEYS[6], ARGV[7])
redis.call('DEL', KEYS[7], KEYS[8])
return 1
