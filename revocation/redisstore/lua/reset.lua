-- ARGV: 1 list id, '' for a list that cannot be read
-- Takes the log away, so that the list counts as lost and is begun anew with what is left of its head (init.lua).
local h, wrong = head()
if ARGV[1] == '' then
  if not wrong and not torn(h) then return 0 end
elseif h.g ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
return 1
