-- KEYS: instances, versions, the instance's own topics
-- ARGV: instance, life ms, "full" or "delta", channel, number of topics to add, those, then those to remove
-- Returns how many topics the instance has now, -1 when a delta comes from one that is no longer known.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local life = tonumber(ARGV[2])
local changed = false
if ARGV[3] == 'full' then
  redis.call('DEL', KEYS[3])
  changed = true
elseif tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0') <= now then
  return -1
end
local add = tonumber(ARGV[5])
for i = 6, #ARGV do
  if i < 6 + add then redis.call('SADD', KEYS[3], ARGV[i]) else redis.call('SREM', KEYS[3], ARGV[i]) end
  changed = true
end
redis.call('ZADD', KEYS[1], now + life, ARGV[1])
if changed then
  -- It begins with the clock, so that it is another one after Redis lost everything.
  if redis.call('HSETNX', KEYS[2], ARGV[1], t[1] .. string.format('%06d', tonumber(t[2]))) == 0 then
    redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
  end
  redis.call('PUBLISH', ARGV[4], ARGV[1])
end
-- A little longer than the word itself, which is what counts.
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], 4 * life) end
return redis.call('SCARD', KEYS[3])
