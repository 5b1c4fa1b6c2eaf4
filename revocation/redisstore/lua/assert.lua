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
    a.effect = effectOf(a.proof, 1)
    if not bare(a.scope, a.effect) then a.limit = struct.unpack('>I6', entry, #entry - 13) end
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
  if not bare(a.scope, a.effect) then body = body .. struct.pack('>I6I6', v.w, till) end
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

-- reach returns the W of a, and its log time. An entry about everyone, and one that asks something
-- of one session, has a ms of log time to itself (R3, R36).
local function reach(p, a)
  local at, w, alone = p.h.ms, a.w, not p.quiet and (a.scope == 'e' or a.scope == 's' and a.effect ~= END)
  if alone then at = at + 1 end
  if a.effect == END and (a.scope == 's' or a.scope == 'k') then w = FOREVER elseif a.when == 1 then w = at + p.skew end
  if a.limit and w > a.limit then late(p) end
  return w, at, alone
end

-- joined works out what a makes of the entries of its scope and tag. If it changes nothing, v is
-- nil. stays is the entry that was there and stays in force.
local function joined(p, a, all, w, till)
  local old = all[a.effect]
  if old and old.mac == a.over then old = nil end -- an entry with a wrong proof is replaced
  -- Sessions that end one after another must not end later because of a second such entry (R37).
  local slow = a.effect == SLOWLY and old and (not all[END] or all[END].w < old.w)
  local keeps = old and (w <= old.w or slow)
  if keeps and not (old.quiet and not p.quiet) then return nil, old end -- what a quiet write stored is new to readers of the log
  local v = {w = w, till = till, quiet = p.quiet, proof = a.proof, effect = a.effect}
  if keeps and (old.w ~= w or slow) then v.w, v.proof = old.w, old.proof else old = nil end
  v.mac = string.sub(v.proof, -8)
  return v, old
end

-- session plans an entry about a session.
local function session(p, a)
  local all = held('s', a.tag, p.e)
  local w, at, alone = reach(p, a)
  local till = math.max(at + p.keep, a.till)
  local v, stays = joined(p, a, all, w, till)
  if not v then
    prolong(p, all, a.till) -- if the caller asks to keep it for longer
    return false, stays.w, nil, stays
  end
  append(p, a, at, v, till)
  if alone then p.h.ms = at + 1 end
  if all.key then
    prolong(p, all, till)
  else
    local epoch = openEpoch(p)
    all.key, all.epoch = bucket(epoch, a.tag), epoch
    if looked('HEXISTS', all.key, a.tag) == nil then broken(all.key) end -- in a slot that moves, this fails before any write
    epoch.count, p.used = epoch.count + 1, true
    epoch.till = math.max(epoch.till, till)
    p.expiry[all.key] = math.max(p.expiry[all.key] or 0, till)
  end
  all[a.effect] = v
  later(p, 'HSET', all.key, a.tag, value('s', all))
  return true, v.w, alone and at, stays
end

local function isGlobal(a) return a.scope == 'e' or a.scope == 'k' end

local function keepGlobal(p, a, kept)
  local all, wrong = globals()
  if wrong then broken(KEYS[3], wrong) end
  for i = 1, #all, 2 do
    local name = all[i]
    if name ~= 'v' and not seen[name] then -- entries of this write stay
      local till = 0
      for _, r in pairs(records(string.sub(name, 1, 1), all[i + 1])) do till = math.max(till, r.till) end
      if till + LATE < p.h.ms then later(p, 'HDEL', KEYS[3], name) end
    end
  end
  later(p, 'HSET', KEYS[3], a.scope .. a.tag, value(a.scope, kept))
end

local function keepWatermark(p, a, all)
  later(p, 'SET', base .. a.scope .. ':' .. a.tag, value(a.scope, all), 'PXAT', dec(all.till + LATE))
end

-- keptUntil returns until when v is kept. For a subject or group, that is in the expiry of its key.
local function keptUntil(a, all, v)
  if isGlobal(a) then return v and v.till or 0 end
  if not next(all) then return 0 end
  all.till = all.till or redis.call('PEXPIRETIME', base .. a.scope .. ':' .. a.tag) - LATE
  return all.till
end

-- watermark plans an entry about anything else.
local function watermark(p, a)
  local all = held(a.scope, a.tag)
  local w, at, alone = reach(p, a)
  local till = math.max(at + p.keep, a.till)
  local v, stays = joined(p, a, all, w, till)
  local changed = v ~= nil
  if changed then
    v.till = math.max(till, keptUntil(a, all, all[a.effect]))
    append(p, a, at, v, v.till)
    if alone then p.h.ms = at + 1 end
  elseif a.till > keptUntil(a, all, stays) then
    v = {w = stays.w, till = a.till, quiet = stays.quiet, proof = stays.proof, mac = stays.mac, effect = a.effect} -- the caller asks to keep it for longer
  else
    return false, stays.w, nil, stays
  end
  all[a.effect] = v
  if isGlobal(a) then
    keepGlobal(p, a, all)
  else
    all.till = v.till
    keepWatermark(p, a, all)
  end
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
