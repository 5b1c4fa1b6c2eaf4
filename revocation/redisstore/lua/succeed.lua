-- ARGV: 1 list id  2 floor  3 skew  4 assertions  5 request  6 unless  7 then
local p = begin(ARGV[1])
local before = answered(ARGV[5])
if before then return before end
if latest(p.h.l) ~= p.term then return redis.error_reply('TERM no replica has followed this primary yet') end
local answer, free = match(question(ARGV[6]), p.e, p.h, p.now)
if not free then return {0, told(p.h), math.abs(p.now - p.h.t), p.now, {}, answer} end
advance(p, ARGV[2])
p.skew = tonumber(ARGV[3])
local results = asserted(p, ARGV[4])
local q = question(ARGV[7])
local reply = done(p, results, (match(q, p.e, p.h, p.now)))
if closes(q, reply[6], p.h, p.h.ms) then p.h.ms = p.h.ms + 1 end
remember(p, ARGV[5], reply)
carryOut(p)
return reply
