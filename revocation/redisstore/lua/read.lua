-- ARGV: 1 genesis  2 floor  3 from  4 limit  5 '1': marks too
local h, why = guard(ARGV[1])
if not h then return why end
local now, floor = clock(), tonumber(ARGV[2])
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end
if ok and (math.abs(now - h.t) >= 500 or floor > h.ms) then
  local info = redis.call('INFO', 'replication') .. redis.call('INFO', 'stats')
  local line = reigns(info)
  local evicted = tonumber(string.match(info, 'evicted_keys:(%d+)'))
  local evicted_before = h.ev
  local set = {'t', dec(now)}
  local ms = math.max(now, h.ms, floor)
  if latest(h) ~= line then
    h.l = string.sub(h.l .. struct.pack('>I4I6I6', line, h.m, ms), -512) -- the 32 newest
    set[#set + 1], set[#set + 2] = 'l', h.l
    evicted_before = evicted
  elseif evicted > h.ev and now - h.b > 60000 then
    -- Something is gone, and it may have been of this list: one that is incomplete without saying so is worse than none.
    redis.call('DEL', KEYS[2])
    return redis.error_reply('LOST keys were evicted')
  end
  set[#set + 1], set[#set + 2] = 'ev', dec(math.min(evicted_before, evicted)) -- a server counts from its start
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
