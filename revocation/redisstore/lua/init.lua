-- ARGV: 1 genesis  2 key check  3 floor  4 retain
-- Begins a list if there is none, or if one lost its head or its log (R2).
local h, why = guard()
-- lost says whether a list key is of a ring that lost its place in this Redis to an older one (keys/rediskeys). A list with
-- such a key keeps out everybody else, so it makes room (R31).
local function lost(check)
  return redis.call('HEXISTS', string.sub(KEYS[1], 1, -5) .. 'replaced', check) == 1
end
if h and (h[3] == ARGV[2] or not lost(h[3])) then return h end
if not h and string.sub(why.err, 1, 4) ~= 'LOST' then return why end
if lost(ARGV[2]) then return redis.error_reply('WRONGKEY the ring lost its place') end
local old = redis.call('HMGET', KEYS[1], 'k', 'ms', 'e', 'x')
local now = clock()
local born = math.max(now, tonumber(ARGV[3]), tonumber(old[2] or 0))
redis.call('DEL', KEYS[1], KEYS[2])
local info = redis.call('INFO', 'replication') .. redis.call('INFO', 'stats')
local line = reigns(info)
redis.call('HSET', KEYS[1], 'v', '1', 'g', ARGV[1], 'k', ARGV[2], 'b', dec(born), 'n', '0', 'ms', dec(born + 1),
  'c', string.rep('\0', 8), 'f', '0', 'kn', '0-0', 'l', struct.pack('>I4I6I6', line, born, born), 'r', struct.pack('>I6I6', 0, tonumber(ARGV[4])),
  't', dec(now), 'm', dec(born), 'ev', dec(evictions(info)))
-- What the exact set holds stays true; only what it lacks cannot be known.
if old[1] == ARGV[2] then
  if old[3] then redis.call('HSET', KEYS[1], 'e', old[3]) end
  if old[4] then redis.call('HSET', KEYS[1], 'x', old[4]) end
end
-- A stream outlives its last entry, so the log is there from now on, however much of it is trimmed.
redis.call('XADD', KEYS[2], 'MAXLEN', 0, dec(born) .. '-0', 'e', '')
return (guard())
