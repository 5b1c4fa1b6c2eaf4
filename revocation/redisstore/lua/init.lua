-- ARGV: 1 list id  2 key check  3 floor  4 retain
-- Creates a list if the server has none, or if its list is damaged (R2).
local h, wrong = head()
if not wrong and h.v ~= '1' then error(redis.error_reply('LAYOUT ' .. h.v)) end
if not wrong then wrong = torn(h) end
local _, spoilt = globals()
-- displaced says whether a list key belongs to a ring that another ring has replaced in this Redis
-- (keys/rediskeys). A list with such a key would shut out all other replicas, so it is replaced
-- (R31).
local function displaced(check)
  return redis.call('HEXISTS', string.sub(KEYS[1], 1, -5) .. 'replaced', check) == 1
end
if not wrong and not spoilt and (h.k == ARGV[2] or not displaced(h.k)) then return told(h) end
if displaced(ARGV[2]) then return redis.error_reply('WRONGKEY another ring has replaced this one in Redis') end

-- Log time goes on from the old head, unless that is over a year ahead.
local now, floor = clock(), tonumber(ARGV[3])
local born = math.max(now, floor)
if h.ms and h.ms <= born + YEAR then born = math.max(born, h.ms) end
local info = redis.call('INFO', 'replication') .. redis.call('INFO', 'stats')
local fresh = {
  'v', '1', 'g', ARGV[1], 'k', ARGV[2], 'b', dec(born), 'n', '0', 'i', '0', 'ms', dec(born + 1), 'c', string.rep('\0', 8), 'f', '0',
  'kn', '0-0', 'l', struct.pack('>I4I6I6', termOf(info), born, born), 'r', struct.pack('>I6I6', 0, tonumber(ARGV[4])),
  't', dec(now), 'm', dec(born), 'ev', dec(evictions(info)),
}
-- Revocations in the exact set stay in force. It may lack others.
if h.k == ARGV[2] then
  if h.e and #h.e == 21 then fresh[#fresh + 1], fresh[#fresh + 2] = 'e', h.e end
  if h.x and #h.x > 0 and #h.x % 11 == 0 then fresh[#fresh + 1], fresh[#fresh + 2] = 'x', h.x end
end
redis.call('DEL', KEYS[1], KEYS[2])
-- No replica could check the proofs of global entries under another list key.
if spoilt or redis.call('HGET', KEYS[3], 'v') ~= ARGV[2] then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[1], unpack(fresh))
-- A stream outlives its last entry, so the log exists from now on, even if all of it is trimmed.
redis.call('XADD', KEYS[2], 'MAXLEN', 0, dec(born) .. '-0', 'e', '')
redis.call('HSET', KEYS[3], 'v', ARGV[2])
return told(guard())
