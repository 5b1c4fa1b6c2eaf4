-- An entry of the exact set is the value of its scope and tag: W (6 bytes, not if it is bare), until
-- (6, only of a global entry), the proof, and a q if the log has no such entry (not of a global
-- entry). Entries of the same scope and tag with other effects follow it, each after a plus and with
-- W. If none of them ends sessions, the value begins with a plus.

-- records reads a value, and returns its entries by effect, or nil if it is damaged.
local function records(scope, v)
  local all, at, global = {}, 1, scope == 'e' or scope == 'k'
  repeat
    local r, more = {w = FOREVER}, string.sub(v, at, at) == '+'
    if more then at = at + 1 elseif at > 1 then return nil end
    if more or scope ~= 's' then
      if #v < at + 5 then return nil end
      r.w, at = struct.unpack('>I6', v, at)
    end
    if global then
      if #v < at + 5 then return nil end
      r.till, at = struct.unpack('>I6', v, at)
    end
    local last = proofEnd(v, at, scope)
    if not last then return nil end
    r.proof, r.mac, r.effect = string.sub(v, at, last), string.sub(v, last - 7, last), effectOf(v, at)
    if all[r.effect] or more == (r.effect == END) then return nil end
    all[r.effect], at = r, last + 1
    if not global and string.sub(v, at, at) == 'q' then r.quiet, at = true, at + 1 end
  until at > #v
  return all
end

-- value is the inverse of records.
local function value(scope, all)
  local out = {}
  for effect = 0, 15 do
    local r = all[effect]
    if r then
      local part = r.proof
      if scope == 'e' or scope == 'k' then
        part = struct.pack('>I6', r.till) .. part
      elseif r.quiet then
        part = part .. 'q'
      end
      if not bare(scope, effect) then part = struct.pack('>I6', r.w) .. part end
      if effect == END then table.insert(out, 1, part) else out[#out + 1] = '+' .. part end
    end
  end
  return table.concat(out)
end
