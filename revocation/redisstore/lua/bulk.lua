-- ARGV: 1 list id  2 floor  3 skew  4 assertions  5 '1': recheck
local p = begin(ARGV[1])
advance(p, ARGV[2])
open(p)
p.skew, p.quiet = tonumber(ARGV[3]), true
local results = asserted(p, ARGV[4])
if ARGV[5] == '1' then recheck(p) end
carryOut(p)
return done(p, results)
