-- KEYS: book, orders, window; ARGV: name of the counting, day, life ms
-- Begins to count everything anew: until it is done, nothing is let through.
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'counting', ARGV[1], 'day', ARGV[2], 'open', 0, 'sent', 0, 'since', string.format('%.0f', now_us()))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
