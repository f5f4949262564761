-- KEYS: taken, said
-- ARGV: limit that Alpaca told (0: none), remaining that it told, microsecond of its reset (0: unknown),
--       microsecond at which the answered request was taken, microsecond until which nothing may be sent (0: none),
--       limit to expect, window us, life of what was said ms
-- Takes over what an answer said; returns what is held for others now.
local now = now_us()
local told, remaining, reset = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at, blocked = tonumber(ARGV[4]), tonumber(ARGV[5])
if told > 0 then
  redis.call('HSET', KEYS[2], 'limit', told)
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
local limit, held, till = window_said(KEYS[2], tonumber(ARGV[6]), now)
local hold, hold_until = held, till
if blocked > now then
  hold, hold_until = limit, math.max(till, blocked)
elseif told > 0 and reset > now then
  -- Even if everything that we took had reached Alpaca before this answer, it counts requests that are not ours.
  local foreign = limit - window_used(KEYS[1], now - tonumber(ARGV[7])) - remaining
  if foreign > 0 then
    -- What was taken after this request it may not have counted yet.
    foreign = foreign + window_used(KEYS[1], at)
    if foreign > held then hold, hold_until = foreign, math.max(till, reset) end
  end
end
if hold > held or hold_until > till then
  redis.call('HSET', KEYS[2], 'held', hold, 'until', string.format('%.0f', hold_until))
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
return hold
