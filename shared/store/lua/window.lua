-- An exact sliding window: what Alpaca allows an account. `taken` is a list of the microseconds at which requests were
-- taken, oldest first. `said` is a hash of what Alpaca's headers taught us: limit (requests a minute), held (requests
-- that others made for the account) and until (the microsecond at which those stop counting).

-- How many entries of the list are younger than edge, and how many there are. The list is in order, and what left the
-- window since the last take is at its front: steps from there that double, then halving, find the first young one in a
-- time that does not grow with those that count.
local function window_used(taken, edge)
  local length = redis.call('LLEN', taken)
  local low, high, step = 0, length, 1
  while low < high do
    local at = math.min(low + step, high) - 1
    if tonumber(redis.call('LINDEX', taken, at)) > edge then high = at break end
    low, step = at + 1, step * 2
  end
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

-- Notes what a look granted, without looking again: nothing may have happened in between. Drops what left the window.
local function window_commit(taken, cost, window_us, now, gone)
  if gone > 0 then redis.call('LTRIM', taken, gone, -1) end
  window_note(taken, cost, window_us, now)
end

-- Looks whether there are cost requests to take, all or none, and writes nothing: window_commit does. `expected` is the
-- limit to believe in until Alpaca says another, `cap` (0: none) the most to use whatever it says, and `reserve` is left to
-- others; a smaller limit has a smaller reserve. Returns granted, remaining for this caller, microseconds until all is there
-- again, microseconds to wait (0 if granted), remaining with the reserve, the limit, and how many entries left the window.
local function window_look(taken, said, expected, cap, window_us, cost, reserve, now)
  local limit, held, till = window_said(said, expected, now)
  if limit < expected then reserve = math.floor(reserve * limit / expected) end
  local used, length = window_used(taken, now - window_us)
  local whole = limit - held - used
  if cap > 0 then
    whole = math.min(whole, cap - used)
    limit = math.min(limit, cap)
  end
  local free = whole - reserve
  if free >= cost then return cost, free - cost, window_us, 0, whole - cost, limit, length - used end
  local reset = math.max(0, till - now)
  if used > 0 then reset = math.max(reset, tonumber(redis.call('LINDEX', taken, -1)) + window_us - now) end
  -- What is missing comes back when the oldest takes leave the window, or when what others hold does.
  local wait, missing = window_us, cost - free
  if missing <= used then wait = tonumber(redis.call('LINDEX', taken, length - used + missing - 1)) + window_us - now end
  if till > now then wait = math.min(wait, till - now) end
  return 0, math.max(0, free), reset, math.max(1, wait), math.max(0, whole), limit, length - used
end
