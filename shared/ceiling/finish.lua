-- KEYS: book; ARGV: name of the counting, us that must have passed since it began
-- Declares the book whole. Returns 1, 0 when it is too early, -1 when it is not this counting's any more.
local book = redis.call('HMGET', KEYS[1], 'counting', 'since')
if book[1] ~= ARGV[1] then return -1 end
if now_us() - tonumber(book[2]) < tonumber(ARGV[2]) then return 0 end
local server = 'server'
local info = redis.pcall('INFO', 'server')
if type(info) == 'string' then server = string.match(info, 'run_id:(%w+)') or server end
redis.call('HSET', KEYS[1], 'whole', server)
redis.call('HDEL', KEYS[1], 'counting')
return 1
