-- KEYS: 1 replicas  2 prefix of the keys with the JSON of each replica
local t = redis.call('TIME')
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')
local out = {}
for i, id in ipairs(ids) do out[i] = redis.call('GET', KEYS[2] .. id) or '' end
return out
