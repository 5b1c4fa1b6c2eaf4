-- Global entries: a hash with scope 1 and tag 16, W 6, until 6 and the proof, and a field v, the check
-- value of the list key, for which the key is never away.
local function globals()
  local raw = looked('HGETALL', KEYS[3])
  if not raw then return nil, 'the global entries are not a hash' end
  for i = 1, #raw, 2 do
    if raw[i] ~= 'v' and (#raw[i] ~= 17 or proofEnd(raw[i + 1], 13, 6) ~= #raw[i + 1]) then return nil, 'the global entries hold something else' end
  end
  return raw
end
