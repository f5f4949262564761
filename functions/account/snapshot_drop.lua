-- KEYS: generation, account snapshot, positions snapshot; ARGV: life of the generation in ms
redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
return 1
