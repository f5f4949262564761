-- KEYS: memory of the shard, active accounts of the shard; ARGV: accounts of the shard
-- Returns 1 when the shard's Redis is another one than it was, or lost its data: then every account is made active, so
-- that its trade events are taken over from where its cursor is. Returns 0 otherwise.
-- A master that a replica took over from, or that was restarted, has another run_id.
local server = 'server'
local info = redis.pcall('INFO', 'server')
if type(info) == 'string' then server = string.match(info, 'run_id:(%w+)') or server end
if redis.call('GET', KEYS[1]) == server then return 0 end
redis.call('SET', KEYS[1], server)
local t = redis.call('TIME')
for i = 1, #ARGV do
  redis.call('ZADD', KEYS[2], 'NX', tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000), ARGV[i])
end
return 1
