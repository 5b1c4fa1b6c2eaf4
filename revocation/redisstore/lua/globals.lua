-- Global entries are a hash. A field is scope (1 byte) and tag (16). The field v is the check value
-- of the list key; with it, the hash is never empty.
local function globals()
  local raw = looked('HGETALL', KEYS[3])
  if not raw then return nil, 'the global entries are not a hash' end
  for i = 1, #raw, 2 do
    if raw[i] ~= 'v' and (#raw[i] ~= 17 or not records(string.sub(raw[i], 1, 1), raw[i + 1])) then return nil, 'the global entries are damaged' end
  end
  return raw
end
