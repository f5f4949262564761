-- KEYS: kill switches of the shard, outbox, sequence, seen
-- ARGV: scope, head of the record, version (0: a new one), what people want to know, account, event ('' for none),
--       seen life ms, outbox bound
-- Writes the record unless a later one is there; a release is a record too, so that a copy which still says "engaged" is
-- known to be old. Returns 1 when written.
local version = tonumber(ARGV[3])
local former = redis.call('HGET', KEYS[1], ARGV[1])
local latest = former and tonumber(string.match(former, '^...|(%d+)|') or '0') or 0
if version == 0 then version = math.max(now_us(), latest + 1) end
if latest >= version then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '|' .. string.format('%.0f', version) .. '|' .. ARGV[4])
if ARGV[6] ~= '' then
  append_event(KEYS[2], KEYS[3], KEYS[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]))
end
return 1
