-- ARGV: 1 list id  2 question
local h = guard(ARGV[1])
local ok, err = writable()
if not ok and string.sub(err.err, 1, 8) == 'READONLY' then return err end -- a replica may be behind
local now = clock()
local answer = match(question(ARGV[2]), epochs(h), h, now)
return {told(h), math.abs(now - h.t), now, answer}
