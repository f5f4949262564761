-- KEYS: intent, unsettled intents, outbox, sequence, seen, generation, account snapshot, positions snapshot,
--       kill switches, holds, seen of the second event, sums of the holds
-- ARGV: token, state, result, member of the unsettled set, account, event ('' for none), seen life ms, outbox bound,
--       client order ID, what the order may do to the account ('' keeps what was written), second event ('' for none),
--       1 for the close of a position, life of a hold ms
-- Returns 1 when settled, 0 when another owner has the intent by now, 2 when it is settled and a kill switch wants the
-- account's open orders canceled: who trips it cancels what is open then, and this order may have come after that.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local kill = ARGV[2] == 'acknowledged' and killed(KEYS[9], ARGV[5], ARGV[12] == '1')
local done = 1
if kill and string.sub(kill, 2, 2) == 'c' then done = 2 end
-- A settled intent is final: its owner may not have heard that it settled it.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'acknowledged' or state == 'rejected' then return done end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'result', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[4])
if ARGV[6] ~= '' then
  append_event(KEYS[3], KEYS[4], KEYS[5], ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]))
end
if ARGV[11] ~= '' then
  append_event(KEYS[3], KEYS[4], KEYS[11], ARGV[5], ARGV[11], tonumber(ARGV[7]), tonumber(ARGV[8]))
end
if ARGV[2] == 'rejected' then
  holds_drop(KEYS[10], KEYS[12], ARGV[9])
else
  holds_opened(KEYS[10], KEYS[12], ARGV[9], ARGV[10], tonumber(ARGV[13]))
end
-- An accepted order holds buying power: what was cached of the account is no longer so.
redis.call('INCR', KEYS[6])
redis.call('PEXPIRE', KEYS[6], ARGV[7])
redis.call('DEL', KEYS[7], KEYS[8])
return done
