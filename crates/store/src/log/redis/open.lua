-- Makes a program the writer, unless another one is. Each writer has a term of its own: what an earlier one sends is refused.
-- KEYS: records, about, writer. ARGV: token, lease in ms
local writer = redis.call('GET', KEYS[3])
if writer and writer ~= ARGV[1] then
  return {0, redis.call('PTTL', KEYS[3])}
end
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[2], 'format', 1)
return {1, redis.call('HINCRBY', KEYS[2], 'term', 1)}
