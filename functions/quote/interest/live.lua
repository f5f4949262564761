-- KEYS: instances, versions
-- Forgets the instances whose word has ended. Returns the others: name, version, name, version, ...
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], dead)
  redis.call('HDEL', KEYS[2], dead)
end
local live = {}
for _, instance in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  live[#live + 1] = instance
  live[#live + 1] = redis.call('HGET', KEYS[2], instance) or ''
end
return live
