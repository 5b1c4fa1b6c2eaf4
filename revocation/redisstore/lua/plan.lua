-- A plan is a write that is being worked out. Until then the script writes nothing: a command that
-- fails, as when the slot of the list moves to another node, must not leave half of a write. Fields:
--   h head, e epochs, now clock, term term of this primary
--   set fields of the head to set, todo commands in order
--   expiry keys of buckets, each with the time until which it is kept
--   used whether the open epoch took sessions, moved whether the epochs changed
local function begin(list)
  local h = guard(list)
  local wrong = torn(h)
  if wrong then lost(wrong) end
  local term = termOf(redis.call('INFO', 'replication'))
  return {h = h, e = epochs(h), now = clock(), term = term, skew = 0, set = {}, todo = {}, expiry = {}}
end

local function put(p, name, value) p.set[#p.set + 1], p.set[#p.set + 2] = name, value end

local function later(p, ...) p.todo[#p.todo + 1] = {...} end

-- advance moves log time to now, or to the log time that the writer knows if that is later.
local function advance(p, floor) p.h.ms = math.max(onward(p.h, p.now), tonumber(floor)) end

-- open opens the term of this primary (R3), so that its writes belong to that term even before any
-- replica reads it. This is a heartbeat too.
local function open(p)
  local h = p.h
  if latest(h.l) == p.term then return end
  h.l, h.t, h.m = opened(h.l, p.term, h.m, h.ms), p.now, h.ms
  put(p, 'l', h.l)
  put(p, 't', dec(p.now))
  put(p, 'm', dec(h.ms))
  put(p, 'ev', dec(evictions(redis.call('INFO', 'stats'))))
end

-- recheck raises the floor. It also moves log time to the next ms, so that a session that is looked
-- up from now on is not looked up again.
local function recheck(p)
  p.h.f, p.h.ms = p.h.ms, p.h.ms + 1
  put(p, 'f', dec(p.h.f))
end

local function putEpochs(p)
  local o = p.e.open
  if p.used or p.moved and o then put(p, 'e', struct.pack('>I4BI6I4I6', o.id, o.bits, o.till, o.count, o.opened)) end
  if not p.moved then return end
  local raw = {}
  for _, c in ipairs(p.e.closed) do
    if c.till + LATE >= p.h.ms then raw[#raw + 1] = struct.pack('>I4BI6', c.id, c.bits, c.till) end
  end
  put(p, 'x', table.concat(raw))
end

-- flush plans the item of the log that the newest entries share.
local function flush(p)
  local item = p.item
  if not item then return end
  p.item, p.h.i = nil, p.h.i + 1
  later(p, 'XADD', KEYS[2], 'NOMKSTREAM', 'MINID', '~', dec(item.at - math.min(p.keep, 86400000)), dec(item.at) .. '-' .. dec(item.n),
    dec(item.n - p.h.i), table.concat(item))
end

-- carryOut writes. The first command needs memory, so a full server refuses it, and all others with
-- it.
local function carryOut(p)
  local h = p.h
  flush(p)
  putEpochs(p)
  redis.call('HSET', KEYS[1], 'ms', dec(h.ms), 'n', dec(h.n), 'i', dec(h.i), 'c', h.c, unpack(p.set))
  for _, c in ipairs(p.todo) do redis.call(unpack(c)) end
  for key, till in pairs(p.expiry) do
    till = dec(till + LATE)
    if redis.call('PEXPIREAT', key, till, 'GT') == 0 then redis.call('PEXPIREAT', key, till, 'NX') end
  end
end

-- done returns the reply to a write: 1, head, age of the heartbeat, clock, results, and the answer
-- to the question, if any.
local function done(p, results, answer)
  return {1, told(p.h), math.abs(p.now - p.h.t), p.now, results, answer}
end
