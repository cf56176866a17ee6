-- Adds records that follow the last one; all of them or none, as Redis runs a script and writes it to its file as one.
-- KEYS: records, about, writer. ARGV: term, token, lease in ms, number of the first record, records …
local about = redis.call('HMGET', KEYS[2], 'term', 'next')
if not about[1] then
  return 'lost all'
elseif about[1] ~= ARGV[1] then
  return 'taken'
end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
local first, next_number = tonumber(ARGV[4]), tonumber(about[2] or '0')
if next_number >= first + #ARGV - 4 then
  return 'written' -- the answer to an earlier try was lost
end
if next_number ~= first then
  return 'lost ' .. next_number
end
for at = 5, #ARGV do
  redis.call('XADD', KEYS[1], string.format('%.0f-1', first + at - 5), 'r', ARGV[at])
end
redis.call('HSET', KEYS[2], 'next', string.format('%.0f', first + #ARGV - 4))
return 'written'
