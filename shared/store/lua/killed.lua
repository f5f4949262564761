-- The record of the kill switch that stops the account, its own or the one of all, or false; exit is true for the close of
-- a position. A record is "1" or "0" for engaged or released, "c" or "-" for canceling what is open or not, "x" or "-" for
-- letting positions be closed or not, "|", its version, "|", and what people want to know.
local function killed(switches, account, exit)
  for _, record in ipairs({redis.call('HGET', switches, '*'), redis.call('HGET', switches, account)}) do
    if record and string.sub(record, 1, 1) == '1' and not (exit and string.sub(record, 3, 3) == 'x') then return record end
  end
  return false
end
