-- KEYS: risk snapshot, positions, holds, their sums
-- ARGV: as of ms (by Redis's clock, before Alpaca was asked), cash, equity, last equity, life ms,
--       1 when the open orders are all that there are, number of positions, then symbol and quantity of each,
--       then client order ID and what it may do of each open order
-- Takes a reading of Alpaca over unless a later one is there; returns 1 when it did.
local as_of = tonumber(ARGV[1])
local former = tonumber(redis.call('HGET', KEYS[1], 'as_of') or '')
if former and former >= as_of then return 0 end
redis.call('HSET', KEYS[1], 'as_of', ARGV[1], 'cash', ARGV[2], 'equity', ARGV[3], 'last_equity', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('DEL', KEYS[2])
local at = 8
for _ = 1, tonumber(ARGV[7]) do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  at = at + 2
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local open = {}
while at <= #ARGV do
  open[ARGV[at]] = ARGV[at + 1]
  at = at + 2
end
-- An order that was made before Alpaca was asked, and is not open there, is done: the snapshot shows what became of it.
-- One that is still in flight stays, until it is settled or forgotten.
local known = redis.call('HGETALL', KEYS[3])
for i = 1, #known, 2 do
  local id = known[i]
  local state, made, what = string.match(known[i + 1], '^(%a)|(%d+)|(.*)$')
  if open[id] then
    if state == 'o' and what == open[id] then open[id] = nil end -- nothing new
  elseif made and state ~= 'r' and tonumber(made) < as_of and ARGV[6] == '1' then
    redis.call('HDEL', KEYS[3], id)
  end
end
for id, what in pairs(open) do
  -- One that ended since Alpaca was asked stays closed.
  local state, made = string.match(redis.call('HGET', KEYS[3], id) or '', '^(%a)|(%d+)|')
  if state ~= 'c' or tonumber(made) < as_of then redis.call('HSET', KEYS[3], id, 'o|' .. ARGV[1] .. '|' .. what) end
end
redis.call('PEXPIRE', KEYS[3], ARGV[5])
holds_recount(KEYS[3], KEYS[4])
return 1
