-- KEYS: intent, unsettled intents, kill switches, holds, their sums
-- ARGV: token, member, lease ms, account, 1 for the close of a position,
--       client order ID, what the order may do to the account ('' when that is held, or for nothing), life of a hold ms
-- Prolongs the owner's lease from now, and holds what was not known at the reservation: what a replacement leads to. Returns 1, or 0 when another owner has the intent by now, or 2 when a
-- kill switch forbids to send it.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'acknowledged' or state == 'rejected' then return 1 end
if killed(KEYS[3], ARGV[4], ARGV[5] == '1') then return 2 end
local lease = math.floor(now_us() / 1000) + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'lease', lease)
redis.call('ZADD', KEYS[2], lease, ARGV[2])
if ARGV[7] ~= '' then
  holds_put(KEYS[4], KEYS[5], ARGV[6], 'r|' .. string.format('%.0f', math.floor(now_us() / 1000)) .. '|' .. ARGV[7], tonumber(ARGV[8]))
end
return 1
