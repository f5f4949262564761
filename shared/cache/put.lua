-- KEYS: record, lease on fetching it
-- ARGV: owner of the lease or '', milliseconds to keep the record, as_of in milliseconds or '' for a part of the record,
--       and for each field its name, its market time in nanoseconds (19 digits, or '' for none) and its value
-- A whole record says that all of it is current, so that what it does not have is gone, greeks for instance. A part with a market time does not replace one with a later market time
-- that was written within two seconds: an answer that was under way must not undo a tick, nor drop one. An older one it does
-- replace, because a canceled trade turns the market time back.
local now = math.floor(now_us() / 1000)
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'at', now, 'as_of', ARGV[3]) end
local unknown, given = false, {at = true, as_of = true}
for i = 4, #ARGV, 3 do
  local name, moment, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  given[name] = true
  if name == 'unknown' then unknown = true end
  if moment == '' then
    redis.call('HSET', KEYS[1], name, value)
  else
    local held = redis.call('HGET', KEYS[1], name)
    local later = held and string.sub(held, 1, 19) > moment and tonumber(string.sub(held, 21, 33)) > now - 2000
    if not later then
      redis.call('HSET', KEYS[1], name, moment .. ' ' .. string.format('%013d', now) .. ' ' .. value)
    end
  end
end
if not unknown then redis.call('HDEL', KEYS[1], 'unknown') end
if ARGV[3] ~= '' then
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not given[name] then
      local written = tonumber(string.sub(redis.call('HGET', KEYS[1], name), 21, 33))
      if not written or written <= now - 2000 then redis.call('HDEL', KEYS[1], name) end
    end
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
