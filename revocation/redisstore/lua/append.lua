-- ARGV: 1 list id  2 floor  3 skew  4 assertions  5 request
local p = begin(ARGV[1])
local before = answered(ARGV[5])
if before then return before end
advance(p, ARGV[2])
open(p)
p.skew = tonumber(ARGV[3])
local reply = done(p, asserted(p, ARGV[4]))
remember(p, ARGV[5], reply)
carryOut(p)
return reply
