-- KEYS: snapshot, generation; ARGV: generation that was read before Alpaca was asked, data, as of ms, life ms
-- Stores what was read unless the account has changed since, or somebody stored a later read; returns 1 when stored.
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
local stored = tonumber(redis.call('HGET', KEYS[1], 'as_of') or '')
if stored and stored > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2], 'as_of', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
