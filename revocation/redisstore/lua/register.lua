-- KEYS: 1 replicas (sorted set: id, by the time until which it is kept)  2 the JSON of one replica
-- ARGV: 1 id  2 JSON  3 keep, ms
local t = redis.call('TIME')
local now, keep = t[1] * 1000 + math.floor(t[2] / 1000), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + keep), ARGV[1])
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', now + 2 * keep))
redis.call('SET', KEYS[2], string.format('%.0f ', now) .. ARGV[2], 'PX', ARGV[3])
return 1
