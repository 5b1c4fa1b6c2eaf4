-- KEYS: sketches (strings)
-- ARGV: 1 the most bytes of a sketch
-- Returns each sketch, '' where there is none. Anything else is malformed. It is deleted, so that it
-- is read only once, and '!' is returned, which is malformed too.
local out = {}
for i, key in ipairs(KEYS) do
  local v = redis.pcall('GET', key)
  if v and (type(v) ~= 'string' or #v > tonumber(ARGV[1])) then
    redis.call('DEL', key)
    v = '!'
  end
  out[i] = v or ''
end
return out
