-- ARGV: 1 list id, '': any list  2 floor  3 from  4 limit, 0: no entries  5 '1': global entries too
local h = guard(ARGV[1] ~= '' and ARGV[1])
local now, floor, before = clock(), tonumber(ARGV[2]), h.ev
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end

-- heartbeat moves log time on. It also checks the log as a whole.
local function heartbeat()
  local broken = torn(h)
  if broken then lost(broken) end
  local info = redis.call('INFO', 'replication') .. redis.call('INFO', 'stats')
  local term, evicted = termOf(info), evictions(info)
  h.ms = math.max(onward(h, now), floor)
  if latest(h.l) ~= term then
    h.l = opened(h.l, term, h.m, h.ms)
    before = evicted -- each server has its own count
  elseif evicted > before and now - h.b > 60000 then
    -- The server evicted keys, perhaps some of this list. An incomplete list that does not say so
    -- is worse than a lost one.
    redis.call('DEL', KEYS[2])
    lost('keys were evicted')
  end
  h.t = now
  local done = redis.pcall('HSET', KEYS[1], 't', dec(now), 'm', dec(h.ms), 'ms', dec(h.ms), 'l', h.l,
    'ev', dec(math.min(before, evicted))) -- a server counts from its start on
  if type(done) == 'table' and done.err then error(done) end
end

if ok and (math.abs(now - h.t) >= 500 or floor > h.ms) then heartbeat() end
local oldest = looked('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
if not oldest then lost('log is not a stream') end
local entries = {}
if ARGV[4] ~= '0' then entries = redis.call('XRANGE', KEYS[2], ARGV[3], '+', 'COUNT', ARGV[4]) end
local out = {told(h), math.abs(now - h.t), entries, oldest[1] or '', now, h.rc}
if ARGV[5] == '1' then
  local all, wrong = globals()
  if wrong then lost(wrong) end
  out[7] = all
end
return out
