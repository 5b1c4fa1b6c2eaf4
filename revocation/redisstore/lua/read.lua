-- ARGV: 1 genesis, '': of whichever list there is  2 floor  3 from  4 limit, 0: no entries  5 '1': marks too
local h, why = guard(ARGV[1] ~= '' and ARGV[1])
if not h then return why end
local now, floor, ms, beat = clock(), tonumber(ARGV[2]), tonumber(h[6]), tonumber(h[12])
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end
if ok and (math.abs(now - beat) >= 500 or floor > ms) then
  local info = redis.call('INFO', 'replication') .. redis.call('INFO', 'stats')
  local line = reigns(info)
  local evicted, before = evictions(info), tonumber(h[14])
  ms = math.max(now, ms, floor)
  if latest(h[9]) ~= line then
    h[9] = opened(h[9], line, tonumber(h[13]), ms)
    before = evicted -- each server counts for itself
  elseif evicted > before and now - tonumber(h[4]) > 60000 then
    -- Something is gone, and it may have been of this list: one that is incomplete without saying so is worse than none.
    redis.call('DEL', KEYS[2])
    return redis.error_reply('LOST keys were evicted')
  end
  h[6], beat = dec(ms), now
  local done = redis.pcall('HSET', KEYS[1], 't', dec(now), 'm', h[6], 'ms', h[6], 'l', h[9],
    'ev', dec(math.min(before, evicted))) -- a server counts from its start
  if type(done) == 'table' and done.err then return done end
end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local entries = {}
if ARGV[4] ~= '0' then entries = redis.call('XRANGE', KEYS[2], ARGV[3], '+', 'COUNT', ARGV[4]) end
local out = {h, math.abs(now - beat), entries, oldest[1] and oldest[1][1] or ''}
if ARGV[5] == '1' then out[5] = redis.call('HGETALL', KEYS[3]) end
return out
