-- ARGV: 1 genesis, '' for a list that cannot be read
-- Takes away the log, and of head and marks what cannot be read, so that the list is begun anew. A head that can be read
-- stays: a list of the same key takes over what the exact set holds (init.lua).
local function unreadable(reply) return type(reply) == 'table' and reply.err ~= nil end

local g = redis.pcall('HGET', KEYS[1], 'g')
local head = unreadable(g)
for _, field in ipairs(redis.pcall('HMGET', KEYS[1], 'v', 'g', 'k', 'b', 'n', 'ms', 'c', 'f', 'l', 'r', 'kn', 't', 'm', 'ev')) do
  head = head or not field
end
local log = unreadable(redis.pcall('XRANGE', KEYS[2], '-', '+', 'COUNT', 1))
local marks = unreadable(redis.pcall('HGET', KEYS[3], 'e'))
if ARGV[1] ~= '' then
  if g ~= ARGV[1] then return 0 end
elseif not (head or log or marks) and guard() then
  return 0
end
if head then redis.call('DEL', KEYS[1]) end
if marks then redis.call('DEL', KEYS[3]) end
redis.call('DEL', KEYS[2])
return 1
