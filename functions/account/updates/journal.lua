-- KEYS: lease, outbox, sequence, cursor, generation, account snapshot, positions snapshot, holds, their
--       sums, then a seen key per event
-- ARGV: fencing token, account, ID of the trade event ('' if it has none that is usable), seen life ms, outbox bound,
--       generation life ms, cursor life ms, the cursor that the follower left ('' for none), client order ID of an
--       order that ended ('' for none), the quantity that it filled and what that was worth ('' when that is not known),
--       then the events
-- Returns 1 when the trade event brought something new, 0 for a repeat, -1 when another owner has the lease, -2 when
-- Redis lost what the follower wrote before.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return -1 end
-- ULIDs compare as text. With an older cursor than it was left, or none, earlier events are lost as well (a flush, or a
-- replica that took over without the last writes): they come first, or the account's events would be out of order.
local cursor = redis.call('GET', KEYS[4])
if ARGV[8] ~= '' and (not cursor or cursor < ARGV[8]) then return -2 end
local news = 0
for i = 10, #KEYS do
  if append_event(KEYS[2], KEYS[3], KEYS[i], ARGV[2], ARGV[i + 2], tonumber(ARGV[4]), tonumber(ARGV[5])) > 0 then news = 1 end
end
-- An order that ended is no longer open, and holds what it filled until a reading of the account shows that.
if ARGV[9] ~= '' then
  holds_ended(KEYS[8], KEYS[9], ARGV[9], ARGV[10], ARGV[11], math.floor(now_us() / 1000), tonumber(ARGV[4]))
end
-- The cursor never goes back: a stream that began early repeats what was before it.
if ARGV[3] ~= '' and (not cursor or cursor < ARGV[3]) then
  redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[7])
  news = 1
end
if news == 1 then
  redis.call('INCR', KEYS[5])
  redis.call('PEXPIRE', KEYS[5], ARGV[6])
  redis.call('DEL', KEYS[6], KEYS[7])
end
return news
