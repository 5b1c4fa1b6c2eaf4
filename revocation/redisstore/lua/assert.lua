-- Assertions: the revocations of a write. A script works out all of them before it writes
-- (plan.lua).

-- unpacked reads assertions: when (1 byte), W (6), until (6), length (1) and the MAC of the entry
-- to replace, length (1) and the entry as its writer packed it: version (1), effect (1), scope (1),
-- tag (16), and the rest of the proof.
local function unpacked(s)
  local all, at = {}, 1
  while at <= #s do
    local a, entry = {}
    a.when, a.w, a.till, a.over, entry, at = struct.unpack('>BI6I6Bc0Bc0', s, at)
    a.scope, a.tag = string.sub(entry, 3, 3), string.sub(entry, 4, 19)
    a.proof = string.sub(entry, 1, 2) .. string.sub(entry, 20)
    if a.scope ~= 's' then a.limit = struct.unpack('>I6', entry, #entry - 13) end
    all[#all + 1] = a
  end
  return all
end

local function retention(h)
  local _, keep = struct.unpack('>I6I6', h.r, #h.r - 11)
  return keep
end

local SHARED = 64 -- the highest number of entries in one item of the log

-- append adds an entry to the log at log time at, unless the write is quiet. Entries of one write
-- and one log time share items of the log, which makes reading many entries about ten times
-- cheaper. The id of an item is that of its last entry, so a read from any of its entries finds it.
-- Its field is its surplus: the number of entries up to and including this item, minus the number
-- of items.
local function append(p, a, at, v, till)
  if p.quiet then return end
  local h = p.h
  h.n = h.n + 1
  local body = string.sub(v.proof, 1, 2) .. a.scope .. a.tag .. string.sub(v.proof, 3)
  if a.scope ~= 's' then body = body .. struct.pack('>I6I6', v.w, till) end
  local id = dec(at) .. '-' .. dec(h.n)
  local sum = redis.sha1hex(h.c .. id .. body)
  h.c = struct.pack('>I4I4', tonumber(string.sub(sum, 1, 8), 16), tonumber(string.sub(sum, 9, 16), 16))
  if p.item and (p.item.at ~= at or #p.item == SHARED) then flush(p) end
  local item = p.item or {at = at}
  item.n, item[#item + 1], p.item = h.n, body .. h.c, item
  h.ms = at
end

-- late refuses a write if a watermark would exceed the limit that its writer allows (R32).
local function late(p) error(redis.error_reply('LIMIT ' .. dec(p.h.ms))) end

-- openEpoch returns the epoch that takes sessions. It starts a new one if the open one is full or
-- has lasted an eighth of the retention.
local function openEpoch(p)
  local e, o = p.e, p.e.open
  local full = o and o.bits < MAXBITS and o.count >= 96 * 2 ^ o.bits
  if o and not full and p.h.ms - o.opened < p.keep / 8 then return o end
  local bits, id = MINBITS, 1
  if o then
    id = o.id + 1
    if full then
      bits = math.min(o.bits + 2, MAXBITS)
    else
      while bits < MAXBITS and o.count > 64 * 2 ^ bits do bits = bits + 1 end
    end
    e.closed[#e.closed + 1] = o
  end
  e.open = {id = id, bits = bits, till = 0, count = 0, opened = p.h.ms}
  p.moved = true
  return e.open
end

local function prolong(p, s, till)
  if till <= s.epoch.till then return end
  s.epoch.till, p.moved = till, true
  p.expiry[s.key] = math.max(p.expiry[s.key] or 0, till)
end

-- session plans the revocation of a session. If only a quiet write has revoked it (a q follows the
-- proof), the revocation is new to readers of the log. An entry with a wrong proof is replaced.
local function session(p, a)
  local s = held('s', a.tag, p.e)
  local till = math.max(p.h.ms + p.keep, a.till)
  local news = s and (s.quiet and not p.quiet or s.mac == a.over)
  if s and not news then
    prolong(p, s, a.till) -- if the caller asks to keep it for longer
    return false, FOREVER, nil, s
  end
  append(p, a, p.h.ms, a, till)
  if news then
    prolong(p, s, till)
  else
    local epoch = openEpoch(p)
    s = {key = bucket(epoch, a.tag), epoch = epoch, w = FOREVER}
    if looked('HEXISTS', s.key, a.tag) == nil then broken(s.key) end -- in a slot that moves, this fails before any write
    epoch.count, p.used = epoch.count + 1, true
    epoch.till = math.max(epoch.till, till)
    p.expiry[s.key] = math.max(p.expiry[s.key] or 0, till)
    seen['s' .. a.tag] = s
  end
  s.quiet, s.proof, s.mac = p.quiet, a.proof, string.sub(a.proof, -8)
  later(p, 'HSET', s.key, a.tag, a.proof .. (p.quiet and 'q' or ''))
  return true, FOREVER
end

local function isGlobal(a) return a.scope == 'e' or a.scope == 'k' end

local function keepGlobal(p, a, v)
  local all, wrong = globals()
  if wrong then broken(KEYS[3], wrong) end
  for i = 1, #all, 2 do
    local name = all[i]
    if name ~= 'v' and not seen[name] then -- entries of this write stay
      local _, till = struct.unpack('>I6I6', all[i + 1])
      if till + LATE < p.h.ms then later(p, 'HDEL', KEYS[3], name) end
    end
  end
  later(p, 'HSET', KEYS[3], a.scope .. a.tag, struct.pack('>I6I6', v.w, v.till) .. v.proof)
end

local function keepWatermark(p, a, v)
  later(p, 'SET', base .. a.scope .. ':' .. a.tag, struct.pack('>I6', v.w) .. v.proof .. (v.quiet and 'q' or ''), 'PXAT', dec(v.till + LATE))
end

-- keptUntil returns until when v is kept. For a subject or group, that is in the expiry of its key.
local function keptUntil(a, v)
  if not v.till then v.till = redis.call('PEXPIRETIME', base .. a.scope .. ':' .. a.tag) - LATE end
  return v.till
end

local function watermark(p, a)
  local at, w = p.h.ms, a.w
  local alone = a.scope == 'e' and not p.quiet -- R3: an anonymous session begins without a question to the store
  if alone then at = at + 1 end
  if a.scope == 'k' then w = FOREVER elseif a.when == 1 then w = at + p.skew end
  if w > a.limit then late(p) end
  local till = math.max(at + p.keep, a.till)
  local old = held(a.scope, a.tag)
  if old and old.mac == a.over then old = nil end
  local changed = not old or w > old.w or old.quiet and not p.quiet
  local v, stays
  if changed then
    v = {w = w, till = till, quiet = p.quiet, proof = a.proof}
    if old then v.till = math.max(till, keptUntil(a, old)) end
    if old and old.w > w then v.w, v.proof, stays = old.w, old.proof, old end
    append(p, a, at, v, v.till)
    if alone then p.h.ms = at + 1 end
  elseif a.till > keptUntil(a, old) then
    v = {w = old.w, till = a.till, quiet = old.quiet, proof = old.proof} -- the caller asks to keep it for longer
    stays = old
  else
    return false, old.w, nil, old
  end
  v.mac = string.sub(v.proof, -8)
  seen[a.scope .. a.tag] = v
  if isGlobal(a) then keepGlobal(p, a, v) else keepWatermark(p, a, v) end
  return changed, v.w, changed and not p.quiet and at or p.h.ms, stays
end

-- asserted plans all assertions and returns the result of each: position, whether it changed
-- anything, W, and the packed entry that was there and stays.
local function asserted(p, raw)
  local all, results = unpacked(raw), {}
  p.keep = retention(p.h)
  for _, a in ipairs(all) do
    if a.when == 2 and a.w > p.h.ms then error(redis.error_reply('FUTURE before is later than log time')) end
  end
  for _, a in ipairs(all) do
    local take = a.scope == 's' and session or watermark
    local changed, w, at, stays = take(p, a)
    local n = #results
    results[n + 1], results[n + 2], results[n + 3], results[n + 4] = at or p.h.ms, p.h.n, changed and 1 or 0, w
    results[n + 5] = stays and packed(a.scope, a.tag, stays) or ''
  end
  return results
end
