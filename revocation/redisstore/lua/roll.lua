-- ARGV: 1 list id
-- Calls the roll: every replica that reads the head registers at once.
local h = guard(ARGV[1])
redis.call('HSET', KEYS[1], 'rc', dec((h.rc + 1) % FOREVER))
return 1
