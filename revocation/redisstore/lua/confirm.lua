-- ARGV: 1 list id  2 question
local h = guard(ARGV[1])
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end -- a replica of the server may be behind
local now = clock()
local q = question(ARGV[2])
local answer = match(q, epochs(h), h, now)
if not ok or not closes(q, answer, h, now) then return {told(h), math.abs(now - h.t), now, answer} end
-- This moves log time, so the term of this primary must be open (R3).
local info = redis.call('INFO', 'replication')
if latest(h.l) ~= termOf(info) then
  h.l, h.t, h.m = opened(h.l, termOf(info), h.m, h.ms), now, h.ms
  redis.call('HSET', KEYS[1], 'l', h.l, 't', dec(now), 'm', dec(h.ms), 'ev', dec(evictions(redis.call('INFO', 'stats'))))
end
redis.call('HSET', KEYS[1], 'ms', dec(h.ms + 1))
return {told(h), math.abs(now - h.t), now, answer}
