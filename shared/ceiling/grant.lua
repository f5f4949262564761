-- KEYS: book, orders, window
-- ARGV: order, cents, day, life ms, 1 to write nothing, window us (0 for none), and the most there may be ('' for no
--       ceiling): open orders, open cents, cents of the day, orders in the window, cents in the window
-- Lets an order through if every ceiling has room for it, and counts it then: all in one step, so that no two share the
-- same room. Returns what stands in the way ('' for nothing), what it would come to, microseconds to wait, and what is
-- used: open orders, open cents, cents of the day, orders and cents in the window.
local now, dry, cents = now_us(), ARGV[5] == '1', tonumber(ARGV[2])
local book = redis.call('HMGET', KEYS[1], 'whole', 'open', 'day', 'sent', 'passed')
if not book[1] then return {'incomplete', 0, 0, 0, 0, 0, 0, 0} end
local orders, open = redis.call('HLEN', KEYS[2]), tonumber(book[2] or '0')
-- The day never goes back: an instance whose clock is late does not begin the old one anew.
local day, sent = book[3] or '', tonumber(book[4] or '0')
if ARGV[3] > day then day, sent = ARGV[3], 0 end

-- What left the window goes.
local window_us, passed, count = tonumber(ARGV[6]), tonumber(book[5] or '0'), redis.call('LLEN', KEYS[3])
local oldest = now
while count > 0 do
  local at, worth = string.match(redis.call('LINDEX', KEYS[3], 0), '^(%d+)|(%d+)$')
  oldest = tonumber(at)
  if oldest > now - window_us then break end
  redis.call('LPOP', KEYS[3])
  count, passed = count - 1, passed - tonumber(worth)
end
if count == 0 then passed = 0 end
redis.call('HSET', KEYS[1], 'passed', string.format('%.0f', passed))
redis.call('PEXPIRE', KEYS[1], ARGV[4])

local function answer(outcome, actual, wait) return {outcome, actual, wait, orders, open, sent, count, passed} end
-- The same order again, after an unknown outcome, counts already; one that asks for more under the same ID, only in part.
local known, kept_day = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^%d+|(%d+)|(.*)$')
local asked, another = cents, 1
if known then
  if tonumber(known) >= cents then return answer('', 0, 0) end
  cents, another = cents - tonumber(known), 0
end
for _, ceiling in ipairs({
  {'all_accounts.max_open_orders', ARGV[7], orders + another, 0}, {'all_accounts.max_open_value', ARGV[8], open + cents, 0},
  {'all_accounts.max_daily_value', ARGV[9], sent + cents, 0},
  {'all_accounts.max_window_orders', ARGV[10], count + 1, 1}, {'all_accounts.max_window_value', ARGV[11], passed + cents, 1},
}) do
  local name, limit, actual, windowed = unpack(ceiling)
  if limit ~= '' and actual > tonumber(limit) then
    return answer(name, actual, windowed * math.max(1, oldest + window_us - now))
  end
end
if dry then return answer('', 0, 0) end

orders, open, sent = orders + another, open + cents, sent + cents
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f|%.0f|%s', math.floor(now / 1000), asked, kept_day or day))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if window_us > 0 then
  count, passed = count + 1, passed + cents
  redis.call('RPUSH', KEYS[3], string.format('%.0f|%.0f', now, cents))
  redis.call('PEXPIRE', KEYS[3], math.ceil(window_us / 1000) + 1000)
end
redis.call('HSET', KEYS[1], 'open', string.format('%.0f', open), 'day', day, 'sent', string.format('%.0f', sent),
  'passed', string.format('%.0f', passed))
return answer('', 0, 0)
