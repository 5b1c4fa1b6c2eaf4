-- ARGV: 1 list id  2 floor  3 assertions  4 known  5 its term  6 born  7 retain  8 '1': recheck
local p = begin(ARGV[1])
local h = p.h

-- doubt raises the values of the head about losses (R10, R11), and log time past them.
local function doubt(known, at, born)
  local before = h.b
  h.b = math.max(before, born)
  if known > before then h.b = math.max(h.b, h.ms, known) end -- R10: every check up to now is in doubt
  if h.b > before then
    h.ms = math.max(h.ms, h.b + 1)
    put(p, 'b', dec(h.b))
  end
  if known == 0 then return end
  local old, oldTerm = string.match(h.kn, '(%d+)-(%d+)')
  if old ~= '0' and at ~= oldTerm then at = '0' end
  h.kn = dec(math.max(known, tonumber(old))) .. '-' .. at
  put(p, 'kn', h.kn)
end

local function retain(keep)
  if keep <= retention(h) then return end
  h.r = h.r .. struct.pack('>I6I6', h.ms, keep)
  put(p, 'r', h.r)
end

advance(p, ARGV[2])
doubt(tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]))
open(p)
retain(tonumber(ARGV[7]))
local results = asserted(p, ARGV[3])
if ARGV[8] == '1' then recheck(p) end
carryOut(p)
return done(p, results)
