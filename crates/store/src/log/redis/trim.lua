-- Removes records before a number. KEYS: records, about. ARGV: term, number
if redis.call('HGET', KEYS[2], 'term') ~= ARGV[1] then
  return 'taken'
end
redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[2] .. '-1')
redis.call('HSET', KEYS[2], 'first', ARGV[2])
return 'removed'
