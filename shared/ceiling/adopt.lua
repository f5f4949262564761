-- KEYS: book, orders; ARGV: name of the counting ('' for a book that is whole), life ms, day, then of each order its
--       name, cents, 1 when it is open, 1 when it was sent in that day
-- Counts orders of which Alpaca tells and the book does not. Returns how many there were, -1 when the book is not
-- what the caller takes it for.
local book = redis.call('HMGET', KEYS[1], 'whole', 'counting', 'day')
if ARGV[1] == '' and not book[1] or ARGV[1] ~= '' and book[2] ~= ARGV[1] then return -1 end
local now_ms, found = string.format('%.0f', math.floor(now_us() / 1000)), 0
for i = 4, #ARGV, 4 do
  local open, today = ARGV[i + 2] == '1', ARGV[i + 3] == '1' and ARGV[3] == book[3]
  local day = today and ARGV[3] or ''
  local known = open and redis.call('HSETNX', KEYS[2], ARGV[i], now_ms .. '|' .. ARGV[i + 1] .. '|' .. day) == 0
  if not known then
    if open then redis.call('HINCRBY', KEYS[1], 'open', ARGV[i + 1]) end
    if today then redis.call('HINCRBY', KEYS[1], 'sent', ARGV[i + 1]) end
    found = found + 1
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return found
