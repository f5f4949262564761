-- The record of the kill switch that stops the account, its own or the one of all, or false. A record is "1" or "0" for
-- engaged or released, "c" or "-" for canceling what is open or not, "|", its version, "|", and what people want to know.
local function killed(switches, account)
  for _, record in ipairs({redis.call('HGET', switches, '*'), redis.call('HGET', switches, account)}) do
    if record and string.sub(record, 1, 1) == '1' then return record end
  end
  return false
end
