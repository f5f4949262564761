-- The holds of an account, and running sums of them, so that an order costs the same however many are open. `holds` is a
-- hash by client order ID of "state|ms|side|symbol|qty|value" (shared/risk); `sums` is a hash: `n` holds in all, `open` those
-- that are not closed, and what each group of alike holds adds up to: by side, symbol, and which of quantity and value is
-- known ("b|AAPL|qv"), and the values of a side's holds in all symbols ("b|*|v"). Sums are exact: a group is its count and,
-- each as whole units and billionths, quantity and value, integers that a double holds; an amount with more digits is
-- rounded up, one that is too large for that counts as not known.

-- A multi-leg order is held with the symbol '' and its value, and beside it each leg, under the order's ID, a line break and
-- the leg's number, with an upper-case side and no value: a leg counts for the position in its symbol, and not as open.

-- Whole units and billionths of a decimal, or nil.
local function hold_amount(text)
  local whole, part = string.match(text, '^(%d+)%.?(%d*)$')
  if not whole or #whole > 12 then return nil end
  local billionths = tonumber(string.sub(part .. '000000000', 1, 9))
  if string.find(part, '[1-9]', 10) then billionths = billionths + 1 end
  return tonumber(whole), billionths
end

-- Whether a hold is open, and what it adds to which groups; nothing for what is not a hold.
local function hold_parts(kept)
  local state, side, symbol, qty, value = string.match(kept, '^(%a)|%d+|(%a)|([^|]*)|([^|]*)|([^|]*)$')
  if not state then return nil end
  local qty_whole, qty_part = hold_amount(qty)
  local value_whole, value_part = hold_amount(value)
  local whole = string.lower(side)
  local is_open = state ~= 'c' and side == whole
  side = whole
  local named = side .. '|' .. symbol .. '|' .. (qty_whole and 'q' or '-') .. (value_whole and 'v' or '-')
  local all = side .. '|*|' .. (value_whole and 'v' or '-')
  return is_open, named, all, {1, qty_whole or 0, qty_part or 0, value_whole or 0, value_part or 0}
end

local function hold_sum(text)
  if not text then return {0, 0, 0, 0, 0} end
  local count, a, b, c, d = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  return {tonumber(count), tonumber(a), tonumber(b), tonumber(c), tonumber(d)}
end

-- Adds a hold's amounts to a sum, or with sign -1 takes them off.
local function hold_add(sum, amounts, sign)
  for i = 1, 5 do sum[i] = sum[i] + sign * amounts[i] end
  for i = 3, 5, 2 do
    local carry = math.floor(sum[i] / 1000000000)
    sum[i - 1], sum[i] = sum[i - 1] + carry, sum[i] - carry * 1000000000
  end
  return sum
end

local function hold_sum_text(sum) return string.format('%.0f %.0f %.0f %.0f %.0f', unpack(sum)) end

-- Makes the sums anew, in time that grows with the number of holds.
local function holds_recount(holds, sums)
  local kept = redis.call('HGETALL', holds)
  local groups, open = {}, 0
  for i = 2, #kept, 2 do
    local is_open, named, all, amounts = hold_parts(kept[i])
    if named then
      if is_open then open = open + 1 end
      for _, group in ipairs({named, all}) do groups[group] = hold_add(groups[group] or hold_sum(), amounts, 1) end
    end
  end
  redis.call('DEL', sums)
  if #kept == 0 then return end
  redis.call('HSET', sums, 'n', #kept / 2, 'open', open)
  for group, sum in pairs(groups) do redis.call('HSET', sums, group, hold_sum_text(sum)) end
  local life = redis.call('PTTL', holds)
  if life > 0 then redis.call('PEXPIRE', sums, life) end
end

-- Reads fields of the sums, of which the first is n. They are made anew if they are not those of the holds: one of the keys
-- was lost, or a hold came or went without them. Where only the content of a hold was changed without them, they are off
-- until the next reading of the account.
local function holds_sums(holds, sums, fields)
  local found = redis.call('HMGET', sums, unpack(fields))
  if redis.call('HLEN', holds) == (tonumber(found[1] or '') or 0) then return found end
  holds_recount(holds, sums)
  return redis.call('HMGET', sums, unpack(fields))
end

-- Takes a hold off the sums, with sign -1, or adds it.
local function hold_count(holds, sums, text, sign)
  local is_open, named, all, amounts = hold_parts(text)
  if not named then
    holds_sums(holds, sums, {'n'})
    return redis.call('HINCRBY', sums, 'n', sign)
  end
  local known = holds_sums(holds, sums, {'n', 'open', named, all})
  local open = tonumber(known[2] or '') or 0
  if is_open then open = open + sign end
  local of_named, of_all = hold_add(hold_sum(known[3]), amounts, sign), hold_add(hold_sum(known[4]), amounts, sign)
  redis.call('HSET', sums, 'n', (tonumber(known[1] or '') or 0) + sign, 'open', open, named, hold_sum_text(of_named), all, hold_sum_text(of_all))
  if of_named[1] < 1 then redis.call('HDEL', sums, named) end
  if of_all[1] < 1 then redis.call('HDEL', sums, all) end
end

-- The IDs of the legs of an order that is held as kept; none unless it is a multi-leg order.
local function hold_legs(kept, id)
  local legs = {}
  if string.match(kept, '^%a|%d+|%a||') then
    for i = 1, 4 do legs[i] = id .. '\n' .. i end
  end
  return legs
end

-- Lets one hold go.
local function hold_remove(holds, sums, id, former)
  hold_count(holds, sums, former, -1)
  redis.call('HDEL', holds, id)
end

-- Lets an order's hold go, with those of its legs.
local function holds_drop(holds, sums, id)
  local former = redis.call('HGET', holds, id)
  if not former then return end
  for _, leg in ipairs(hold_legs(former, id)) do holds_drop(holds, sums, leg) end
  hold_remove(holds, sums, id, former)
end

-- Writes a hold, new or changed.
local function holds_put(holds, sums, id, kept, life_ms)
  local former = redis.call('HGET', holds, id)
  local alike = former and string.match(former, '^[or]|%d+(|.*)$')
  if not alike or alike ~= string.match(kept, '^[or]|%d+(|.*)$') then -- else it adds what it did
    if former then hold_remove(holds, sums, id, former) end
    hold_count(holds, sums, kept, 1)
  end
  redis.call('HSET', holds, id, kept)
  redis.call('PEXPIRE', holds, life_ms)
  redis.call('PEXPIRE', sums, life_ms)
end

-- An order reached the market, its legs too. `what` replaces what it may do, unless it is ''.
local function holds_opened(holds, sums, id, what, life_ms)
  local held = redis.call('HGET', holds, id)
  if not held or string.sub(held, 1, 1) ~= 'r' then return end
  local made, known = string.match(held, '^r|(%d+)|(.*)$')
  if what == '' then what = known end
  holds_put(holds, sums, id, 'o|' .. made .. '|' .. what, life_ms)
  for _, leg in ipairs(hold_legs(held, id)) do holds_opened(holds, sums, leg, '', life_ms) end
end

-- An order ended. It keeps qty and value, what it filled, unless value is '', and its legs their share of that.
local function holds_ended(holds, sums, id, qty, value, now_ms, life_ms)
  local held = redis.call('HGET', holds, id)
  local whose, asked, rest = string.match(held or '', '^[^c]|%d+|(%a|[^|]*|)([^|]*)(|.*)$')
  if not whose then return end
  local kept = 'c|' .. string.format('%.0f', now_ms) .. '|' .. whose
  if value == '' then kept = kept .. asked .. rest else kept = kept .. qty .. '|' .. value end
  holds_put(holds, sums, id, kept, life_ms)
  for _, leg in ipairs(hold_legs(held, id)) do
    local contracts = tonumber(string.match(redis.call('HGET', holds, leg) or '', '^%a|%d+|%a|[^|]*|([^|]*)|') or '')
    local units, filled = tonumber(asked), tonumber(qty)
    if contracts and units and units > 0 and filled and value ~= '' then
      holds_ended(holds, sums, leg, string.format('%.0f', math.ceil(contracts * filled / units)), '0', now_ms, life_ms)
    else
      holds_ended(holds, sums, leg, '', '', now_ms, life_ms)
    end
  end
end

local function hold_decimal(whole, part)
  if part == 0 then return string.format('%.0f', whole) end
  return (string.gsub(string.format('%.0f.%09.0f', whole, part), '0+$', ''))
end

-- What an order in symbol has to know of the account's other holds, as text (risk.ParseState): how many are open, and of
-- each group that matters its name, count, quantity and value. `without` is the order's own ID, which is left out, and
-- `former` that of an order that it replaces, '' or nil for none.
local function holds_read(holds, sums, symbol, without, former)
  local b, s = 'b|' .. symbol, 's|' .. symbol
  local names = {'n', 'open', 'b|*|v', 'b|*|-', b .. '|qv', b .. '|q-', b .. '|-v', b .. '|--', s .. '|qv', s .. '|q-', s .. '|-v', s .. '|--'}
  local found = holds_sums(holds, sums, names)
  local open = tonumber(found[2] or '') or 0
  local left_out = {}
  for i, id in ipairs({without, former or ''}) do
    local own = id ~= '' and (i == 1 or id ~= without) and redis.call('HGET', holds, id)
    if own then
      local is_open, named, all, amounts = hold_parts(own)
      if is_open then open = open - 1 end
      left_out[#left_out + 1] = {named, all, amounts}
    end
  end
  local read = string.format('%.0f', open)
  for i = 3, #names do
    if found[i] then
      local sum = hold_sum(found[i])
      for _, own in ipairs(left_out) do
        if names[i] == own[1] or names[i] == own[2] then hold_add(sum, own[3], -1) end
      end
      if sum[1] > 0 then
        read = string.format('%s;%s;%.0f;%s;%s', read, names[i], sum[1], hold_decimal(sum[2], sum[3]), hold_decimal(sum[4], sum[5]))
      end
    end
  end
  return read
end
