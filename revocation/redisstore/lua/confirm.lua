-- ARGV: 1 genesis  2 question
local h, why = guard(ARGV[1])
if not h then return why end
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end -- a replica may be behind
local now = clock()
return {h, math.abs(now - tonumber(h[12])), now, answer(question(ARGV[2]))}
