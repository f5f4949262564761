-- KEYS: book, orders; ARGV: life ms
-- Looks whether the book is whole, and makes it not so when another server holds it than the one that it was whole on: a
-- replica that took over may lack the last writes. Keeps it alive. Returns 1 or 0, and what is used: open orders, open
-- cents, cents of the day.
local server = 'server'
local info = redis.pcall('INFO', 'server')
if type(info) == 'string' then server = string.match(info, 'run_id:(%w+)') or server end
local book = redis.call('HMGET', KEYS[1], 'whole', 'open', 'sent')
local whole = book[1] == server
if book[1] and not whole then redis.call('HDEL', KEYS[1], 'whole') end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return {whole and 1 or 0, redis.call('HLEN', KEYS[2]), tonumber(book[2] or '0'), tonumber(book[3] or '0')}
