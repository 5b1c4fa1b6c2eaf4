-- ARGV: 1 list id, '': a list whose head cannot be read
-- Deletes the log. Then the list counts as lost, and a new one is created from what is left of its
-- head (init.lua).
local h, wrong = head()
if ARGV[1] == '' then
  if not wrong and not torn(h) then return 0 end
elseif h.g ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
return 1
