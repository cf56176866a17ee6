-- Keeps the log for its writer, or gives it back where the lease is 0. KEYS: about, writer. ARGV: term, token, lease in ms
if redis.call('HGET', KEYS[1], 'term') ~= ARGV[1] then
  return 0
end
if ARGV[3] ~= '0' then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
elseif redis.call('GET', KEYS[2]) == ARGV[2] then
  redis.call('DEL', KEYS[2])
end
return 1
