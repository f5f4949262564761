-- An exact sliding window: what Alpaca allows an account. `taken` is a list of the microseconds at which requests were
-- taken, oldest first. `said` is a hash of what Alpaca's headers taught us: limit (requests a minute), held (requests
-- that others made for the account) and until (the microsecond at which those stop counting).

-- How many entries of the list are younger than edge, and how many there are: the list is in order, so that halving
-- finds it.
local function window_used(taken, edge)
  local length = redis.call('LLEN', taken)
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', taken, middle)) > edge then high = middle else low = middle + 1 end
  end
  return length - low, length
end

-- Notes count requests as taken now.
local function window_note(taken, count, window_us, now)
  local stamp = string.format('%.0f', now)
  for _ = 1, count do redis.call('RPUSH', taken, stamp) end
  redis.call('PEXPIRE', taken, math.ceil(window_us / 1000))
end

-- What Alpaca's headers taught us: the limit, what others hold of it, and until when.
local function window_said(said, limit, now)
  local known = redis.call('HMGET', said, 'limit', 'held', 'until')
  limit = tonumber(known[1] or '') or limit
  local held, till = tonumber(known[2] or '') or 0, tonumber(known[3] or '') or 0
  if till <= now then held, till = 0, 0 end
  return limit, held, till
end

-- Takes cost requests, all or none. `expected` is the limit to believe in until Alpaca says another, `cap` (0: none) the
-- most to use whatever it says, and `reserve` is left to others; a smaller limit has a smaller reserve. Writes nothing
-- when dry ~= 0. Returns granted, remaining for this caller, microseconds until all is there again, microseconds to wait
-- (0 if granted), remaining with the reserve, and the limit.
local function window_take(taken, said, expected, cap, window_us, cost, reserve, now, dry)
  local limit, held, till = window_said(said, expected, now)
  if limit < expected then reserve = math.floor(reserve * limit / expected) end
  local used, length = window_used(taken, now - window_us)
  local whole = limit - held - used
  if cap > 0 then
    whole = math.min(whole, cap - used)
    limit = math.min(limit, cap)
  end
  local free = whole - reserve
  local reset = math.max(0, till - now)
  if used > 0 then reset = math.max(reset, tonumber(redis.call('LINDEX', taken, -1)) + window_us - now) end
  if free < cost then
    -- What is missing comes back when the oldest takes leave the window, or when what others hold does.
    local wait, missing = window_us, cost - free
    if missing <= used then wait = tonumber(redis.call('LINDEX', taken, length - used + missing - 1)) + window_us - now end
    if till > now then wait = math.min(wait, till - now) end
    return 0, math.max(0, free), reset, math.max(1, wait), math.max(0, whole), limit
  end
  if dry == 0 and cost > 0 then
    if length > used then redis.call('LTRIM', taken, length - used, -1) end
    window_note(taken, cost, window_us, now)
    reset = window_us
  end
  return cost, free - cost, reset, 0, whole - cost, limit
end
