-- KEYS: watches, states, version, fence
-- ARGV: fencing token, life of the fence ms
-- Returns the version, the watches and their states of one moment; -1 for a former feed.
if tonumber(redis.call('GET', KEYS[4]) or '0') > tonumber(ARGV[1]) then return {-1, {}, {}} end
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[2])
return {tonumber(redis.call('GET', KEYS[3]) or '0'), redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
