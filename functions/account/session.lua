-- Announces a session of the exchange's day, once, and never one that lies before what was announced.
-- KEYS: last session, outbox, sequence, seen; ARGV: place of the session (date:rank), stream, event, seen life ms,
--       outbox bound, life of the last session in ms, 1 when it is the end of a day that was begun
-- Returns 1 when it is announced now, 0 for a repeat.
local last = redis.call('GET', KEYS[1])
if last and last >= ARGV[1] then return 0 end
if ARGV[7] == '1' and (not last or string.sub(last, 1, 10) ~= string.sub(ARGV[1], 1, 10)) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[6])
if append_event(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])) == 0 then return 0 end
return 1
