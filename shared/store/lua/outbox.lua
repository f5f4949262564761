-- Appends one event to a shard's outbox unless it is there already, and returns its sequence number (0: a repeat).
-- It is called in the script that changes the state the event tells of: both happen or neither does.
local function append_event(stream, sequence_key, seen_key, account, event, seen_ttl_ms, max_length)
  if not redis.call('SET', seen_key, '1', 'NX', 'PX', seen_ttl_ms) then return 0 end
  local sequence = redis.call('INCR', sequence_key)
  redis.call('XADD', stream, 'MAXLEN', '~', max_length, '*', 'account', account, 'sequence', sequence, 'event', event)
  return sequence
end
