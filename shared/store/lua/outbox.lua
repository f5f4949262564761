-- Appends one event to a shard's outbox unless it is there already, and returns its sequence number (0: a repeat).
-- It is called in the script that changes the state the event tells of: both happen or neither does.
-- The sequence follows the clock in microseconds, and grows by one where events come faster: a Redis that lost
-- everything, or a replica that took over without the last writes, must not give out a smaller or a used number.
local function append_event(stream, sequence_key, seen_key, account, event, seen_ttl_ms, max_length)
  if not redis.call('SET', seen_key, '1', 'NX', 'PX', seen_ttl_ms) then return 0 end
  local sequence = math.max(tonumber(redis.call('GET', sequence_key) or '0') + 1, now_us())
  local text = string.format('%.0f', sequence)
  redis.call('SET', sequence_key, text, 'PX', seen_ttl_ms)
  redis.call('XADD', stream, 'MAXLEN', '~', max_length, '*', 'account', account, 'sequence', text, 'event', event)
  return sequence
end
