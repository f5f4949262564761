-- Generic cell rate algorithm. The bucket is one number: the theoretical arrival time in microseconds.
-- It holds `limit` tokens, refills completely in `period_us`, and `reserve` of them can't be taken by this caller.
-- Returns granted (0..cost), remaining, microseconds until it is full again, microseconds to wait (0 if granted).
-- With partial ~= 0 it grants what there is, up to cost; otherwise all or nothing. Writes nothing when dry ~= 0.
local function gcra(key, limit, period_us, cost, reserve, partial, now, dry)
  local interval = period_us / limit
  local tat = tonumber(redis.call('GET', key) or '') or now
  if tat < now then tat = now end
  local available = math.floor((now + period_us - tat) / interval + 0.000001) - reserve
  local granted = cost
  if available < cost then
    granted = 0
    if partial ~= 0 and available > 0 then granted = available end
  end
  if granted > 0 then
    tat = tat + granted * interval
    if dry == 0 then
      redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
    end
  end
  local remaining = math.max(0, math.floor((now + period_us - tat) / interval + 0.000001) - reserve)
  local wait = 0
  if granted == 0 then
    local needed = cost
    if partial ~= 0 then needed = 1 end
    wait = math.max(1, math.ceil(tat + (needed + reserve) * interval - period_us - now))
  end
  return granted, remaining, math.max(0, math.ceil(tat - now)), wait
end
