-- KEYS: 1 an unused key
-- Returns the commands that this user may not call on the keys of the list.
local denied = {}
local function try(name, ...)
  local r = redis.pcall(name, ...)
  if type(r) ~= 'table' or not r.err then return end
  -- The message differs between versions.
  if string.find(r.err, 'NOPERM', 1, true) or string.find(r.err, 'user executing the script', 1, true) then
    denied[#denied + 1] = name
  end
end
local k = KEYS[1]
try('PERSIST', k)
try('DEL', k)
try('EXISTS', k)
try('TIME')
try('INFO', 'replication')
try('HSET', k, 'f', 'v')
try('HMGET', k, 'f')
try('HGET', k, 'f')
try('HEXISTS', k, 'f')
try('HGETALL', k)
try('HDEL', k, 'f')
redis.pcall('DEL', k)
try('XADD', k, 'MAXLEN', 0, '1-1', 'e', '')
try('XRANGE', k, '-', '+', 'COUNT', 1)
try('XINFO', 'STREAM', k)
redis.pcall('DEL', k)
try('SET', k, '1', 'PX', 1000)
try('GET', k)
try('PEXPIREAT', k, 1, 'GT')
try('PEXPIRETIME', k)
redis.pcall('DEL', k)
try('ZADD', k, 1, 'm')
try('ZRANGEBYSCORE', k, '-inf', '+inf')
try('ZREMRANGEBYSCORE', k, '-inf', '+inf')
redis.pcall('DEL', k)
return denied
