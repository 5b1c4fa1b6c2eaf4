-- ARGV: 1 genesis  2 floor  3 from  4 limit  5 '1': marks too
local h, why = guard(ARGV[1])
if not h then return why end
local now, floor = clock(), tonumber(ARGV[2])
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end
if ok and (math.abs(now - h.t) >= 500 or floor > h.ms) then
  local info = redis.call('INFO', 'replication') .. redis.call('INFO', 'stats')
  local line = math.max(tonumber(string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)'), 16), 1)
  local evicted = tonumber(string.match(info, 'evicted_keys:(%d+)'))
  local set = {'t', dec(now), 'ev', dec(evicted)}
  local ms = math.max(now, h.ms, floor)
  if struct.unpack('>I4', h.l, #h.l - 9) ~= line then
    h.l = string.sub(h.l .. struct.pack('>I4I6', line, h.m), -320) -- the 32 newest
    set[#set + 1], set[#set + 2] = 'l', h.l
  elseif evicted > h.ev then -- something is gone, and it may have been of this list
    h.b = ms
    ms = ms + 1
    set[#set + 1], set[#set + 2] = 'b', dec(h.b)
    h.kn = h.b
    set[#set + 1], set[#set + 2] = 'kn', dec(h.kn)
  end
  set[#set + 1], set[#set + 2] = 'ms', dec(ms)
  set[#set + 1], set[#set + 2] = 'm', dec(ms)
  local done = redis.pcall('HSET', KEYS[1], unpack(set))
  if type(done) == 'table' and done.err then return done end
  h.ms, h.t = ms, now
end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local out = {told(h), math.abs(now - h.t), redis.call('XRANGE', KEYS[2], ARGV[3], '+', 'COUNT', ARGV[4]), oldest[1] and oldest[1][1] or ''}
if ARGV[5] == '1' then out[5] = redis.call('HGETALL', KEYS[3]) end
return out
