-- KEYS: lease on fetching a record. ARGV: its owner. After a fetch that failed the next one may try.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
