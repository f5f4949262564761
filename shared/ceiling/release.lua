-- KEYS: book, orders; ARGV: 1 to take them off the day too, then of each order its name and how it was kept ('' for
--       however)
-- Lets orders go that are not open any more; returns how many there were.
local gone = 0
for i = 2, #ARGV, 2 do
  local kept = redis.call('HGET', KEYS[2], ARGV[i])
  if kept and (ARGV[i + 1] == '' or ARGV[i + 1] == kept) then
    local cents, day = string.match(kept, '^%d+|(%d+)|(.*)$')
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('HINCRBY', KEYS[1], 'open', '-' .. cents)
    if ARGV[1] == '1' and day ~= '' and day == redis.call('HGET', KEYS[1], 'day') then
      redis.call('HINCRBY', KEYS[1], 'sent', '-' .. cents)
    end
    gone = gone + 1
  end
end
return gone
