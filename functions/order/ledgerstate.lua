-- KEYS: risk snapshot, positions, holds, their sums
-- ARGV: symbol of the position, client order ID of the order that asks
-- Returns what is known of an account (risk.ParseState), no repeats.
local snapshot = redis.call('HMGET', KEYS[1], 'as_of', 'cash', 'equity', 'last_equity')
local age = -1
if snapshot[1] then age = math.floor(now_us() / 1000) - tonumber(snapshot[1]) end
return table.concat({string.format('%.0f', age), snapshot[2] or '', snapshot[3] or '', snapshot[4] or '',
  redis.call('HGET', KEYS[2], ARGV[1]) or '', '0', holds_read(KEYS[3], KEYS[4], ARGV[1], ARGV[2])}, ';')
