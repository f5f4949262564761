-- KEYS: intent, idempotency alias (the intent again if there is no key), order bucket, what was taken of
--       Alpaca's limit, what Alpaca said of it, unsettled intents of the shard, active accounts of the shard, kill
--       switches of the shard, risk snapshot, positions, holds, times of the same order,
--       sums of the holds
-- ARGV: fingerprint, client order ID, has idempotency key, lease ms, life ms,
--       order limit, order period us, upstream limit, upstream cap, upstream window us, upstream reserve,
--       request, account, member of the unsettled set, channel of active accounts,
--       tokens to take from the order bucket: 1, or 0 for a way out of a position,
--       idempotency key, this attempt's name, 1 to write nothing and only tell what would be found,
--       symbol of the position, what the order may do to the account ('' for nothing), window of repeats us (0 for none),
--       then of each leg its symbol and what it may do to the position in it ('' for nothing)
-- Returns outcome, token, state, result, gcra's four numbers of the order bucket (or wait in microseconds), and for a
-- new intent, whose token is when it was taken, what is left of Alpaca's limit, that limit, and what risk controls ask
-- for (risk.ParseState), of the order and of each leg. What risk controls decide is not decided here: a hold is written first, so that of two orders
-- the later one sees the earlier.
local now = now_us()
local now_ms = math.floor(now / 1000)
local dry = tonumber(ARGV[19])
local lease_ms, life_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
-- What a caller that is not charged sees.
local _, left, reset = gcra(KEYS[3], tonumber(ARGV[6]), tonumber(ARGV[7]), 0, 0, 0, now, 1)

local alias = ARGV[1] .. '|' .. ARGV[2]
local function remember_key()
  if ARGV[3] == '1' and dry == 0 then redis.call('SET', KEYS[2], alias, 'PX', life_ms) end
end
if ARGV[3] == '1' then
  local known = redis.call('GET', KEYS[2])
  if known and known ~= alias then return {'mismatch', 0, '', '', 0, left, reset, 0} end
end

-- From here on the account may have fills to wait for, also if this process dies before it hears of the order.
local function follow_fills()
  redis.call('ZADD', KEYS[7], now_ms, ARGV[13])
  redis.call('PUBLISH', ARGV[15], ARGV[13])
end

local found = redis.call('HMGET', KEYS[1], 'state', 'fingerprint', 'token', 'lease', 'result', 'attempt')
if found[1] then
  -- The client sends a command again when its answer is lost: that is not somebody else at work.
  if found[1] == 'reserved' and found[6] == ARGV[18] then
    return {'reserved', tonumber(found[3]), 'reserved', '', 1, left, reset, 0}
  end
  if found[2] ~= ARGV[1] then return {'mismatch', 0, found[1], '', 0, left, reset, 0} end
  remember_key()
  if found[1] == 'acknowledged' or found[1] == 'rejected' then
    return {'replay', tonumber(found[3]), found[1], found[5] or '', 0, left, reset, 0}
  end
  local lease = tonumber(found[4])
  if lease > now_ms then return {'in_progress', 0, found[1], '', 0, left, reset, (lease - now_ms) * 1000} end
  if dry ~= 0 then return {'resume', 0, found[1], '', 0, left, reset, 0} end
  local token = redis.call('HINCRBY', KEYS[1], 'token', 1)
  redis.call('HSET', KEYS[1], 'lease', now_ms + lease_ms, 'attempt', '')
  redis.call('ZADD', KEYS[6], now_ms + lease_ms, ARGV[14])
  follow_fills() -- the account may have been left as idle since
  return {'resume', token, found[1], '', 0, left, reset, 0}
end

local kill = killed(KEYS[8], ARGV[13], ARGV[16] == '0')
if kill then return {'killed', 0, '', kill, 0, left, reset, 0} end

-- Both or none: look at Alpaca's limit first, take from it only when the order bucket granted.
local window_us = tonumber(ARGV[10])
local allowed, _, _, upstream_wait, whole, upstream_limit, gone = window_look(KEYS[4], KEYS[5], tonumber(ARGV[8]), tonumber(ARGV[9]),
  window_us, 1, tonumber(ARGV[11]), now)
if allowed == 0 then return {'upstream_limit', 0, '', '', 0, left, reset, upstream_wait, whole, upstream_limit} end
local wanted = tonumber(ARGV[16])
local granted, remaining, full, wait = gcra(KEYS[3], tonumber(ARGV[6]), tonumber(ARGV[7]), wanted, 0, 0, now, dry)
if granted < wanted then return {'order_limit', 0, '', '', 0, remaining, full, wait} end

local snapshot = redis.call('HMGET', KEYS[9], 'as_of', 'cash', 'equity', 'last_equity')
local age, repeats = -1, 0
if snapshot[1] then age = now_ms - tonumber(snapshot[1]) end
if ARGV[22] ~= '0' then repeats = window_used(KEYS[12], now - tonumber(ARGV[22])) end
local function known_of(symbol, without)
  return table.concat({string.format('%.0f', age), snapshot[2] or '', snapshot[3] or '', snapshot[4] or '',
    redis.call('HGET', KEYS[10], symbol) or '', tostring(repeats), holds_read(KEYS[11], KEYS[13], symbol, without)}, ';')
end
local answer = {'reserved', 0, '', '', granted, remaining, full, 0, whole, upstream_limit, known_of(ARGV[20], ARGV[2])}
local legs = {}
for i = 23, #ARGV, 2 do
  local id = ARGV[2] .. '\n' .. #legs + 1
  legs[#legs + 1] = {id, ARGV[i + 1]}
  answer[#answer + 1] = known_of(ARGV[i], id)
end

if dry ~= 0 then return answer end
if ARGV[21] ~= '' then
  local made = 'r|' .. string.format('%.0f', now_ms) .. '|'
  holds_put(KEYS[11], KEYS[13], ARGV[2], made .. ARGV[21], life_ms)
  for _, leg in ipairs(legs) do holds_put(KEYS[11], KEYS[13], leg[1], made .. leg[2], life_ms) end
end
if ARGV[22] ~= '0' then window_note(KEYS[12], 1, tonumber(ARGV[22]), now) end
window_commit(KEYS[4], 1, window_us, now, gone)

-- The first token is the time, so that an intent that was forgotten, or lost with Redis, never gets a former token again.
redis.call('HSET', KEYS[1], 'state', 'reserved', 'fingerprint', ARGV[1], 'token', string.format('%.0f', now),
  'lease', now_ms + lease_ms, 'request', ARGV[12], 'key', ARGV[17], 'attempt', ARGV[18])
redis.call('PEXPIRE', KEYS[1], life_ms)
remember_key()
redis.call('ZADD', KEYS[6], now_ms + lease_ms, ARGV[14])
follow_fills()
answer[2], answer[3] = now, 'reserved'
return answer
