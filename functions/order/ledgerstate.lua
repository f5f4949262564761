-- KEYS: risk snapshot, positions, holds, their sums
-- ARGV: of the order that asks, and of each of its legs: symbol of the position, under which ID it is held itself, and under
--       which the order is that it replaces, '' for none
-- Returns for each what is known of the account (risk.ParseState), no repeats.
local snapshot = redis.call('HMGET', KEYS[1], 'as_of', 'cash', 'equity', 'last_equity')
local age = -1
if snapshot[1] then age = math.floor(now_us() / 1000) - tonumber(snapshot[1]) end
local known = {}
for i = 1, #ARGV, 3 do
  known[#known + 1] = table.concat({string.format('%.0f', age), snapshot[2] or '', snapshot[3] or '', snapshot[4] or '',
    redis.call('HGET', KEYS[2], ARGV[i]) or '', '0', holds_read(KEYS[3], KEYS[4], ARGV[i], ARGV[i + 1], ARGV[i + 2])}, ';')
end
return known
