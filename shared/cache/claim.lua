-- KEYS: record, lease on fetching it
-- ARGV: milliseconds for which a record is fresh, for which an unknown symbol stays unknown, owner, milliseconds of the lease
-- Returns fresh, claimed (the caller is to fetch it) or busy (somebody else is), the record's age in milliseconds (-1 without
-- one), and the record's fields. Looking and claiming in one step is what makes it one fetch over all instances.
local now = math.floor(now_us() / 1000)
local fields = redis.call('HGETALL', KEYS[1])
local age, fresh = -1, tonumber(ARGV[1])
for i = 1, #fields, 2 do
  if fields[i] == 'at' then age = math.max(0, now - tonumber(fields[i + 1])) end
  if fields[i] == 'unknown' then fresh = tonumber(ARGV[2]) end
end
if age >= 0 and age < fresh then return {'fresh', age, fields} end
if redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then return {'claimed', age, fields} end
return {'busy', age, fields}
