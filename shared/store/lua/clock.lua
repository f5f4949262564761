-- Microseconds since the epoch by the server's own clock: the only clock that all instances share.
local function now_us()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
