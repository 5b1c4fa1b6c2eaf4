-- The exact set, for scripts that read it or write to it. They read all of it through the functions
-- here, which remember what was read and what the step is about to write. So a script sees its own
-- writes before it makes them.
local LATE = 3600000 -- an entry is kept for one more hour after its until
local MINBITS, MAXBITS = 4, 24
local base = string.sub(KEYS[1], 1, -5)

-- broken drops a damaged key, and the log with it: the list now lacks something, and the replicas
-- that read the log are the ones that replace it.
local function broken(key, what)
  redis.pcall('DEL', key, KEYS[2])
  lost(what or 'a key of the exact set is damaged')
end

local function bucket(epoch, tag)
  return base .. 'x:' .. epoch.id .. ':' .. math.floor(struct.unpack('>I4', tag) / 2 ^ (32 - epoch.bits))
end

-- epochs reads the epochs, which hold the sessions: the open one, if any, and the closed ones.
local function epochs(h)
  local e = {closed = {}}
  for at = 1, #h.x, 11 do
    local id, bits, till = struct.unpack('>I4BI6', h.x, at)
    e.closed[#e.closed + 1] = {id = id, bits = bits, till = till}
  end
  if h.e then
    local o = {}
    o.id, o.bits, o.till, o.count, o.opened = struct.unpack('>I4BI6I4I6', h.e)
    e.open = o
  end
  return e
end

local seen = {} -- from scope and tag to the entry held, or false

-- proven reads a value: the proof from at on, and a q after it if the log has no such entry.
local function proven(key, v, at, limit)
  local till = proofEnd(v, at, limit)
  if not till or #v > till and string.sub(v, till + 1) ~= 'q' then broken(key) end
  return {proof = string.sub(v, at, till), mac = string.sub(v, till - 7, till), quiet = #v > till}
end

-- packed returns an entry as the client reads it: W (6 bytes), a byte that is 1 if the log has no
-- such entry, and the entry as its writer packed it.
local function packed(scope, tag, s)
  return struct.pack('>I6B', s.w, s.quiet and 1 or 0) .. string.sub(s.proof, 1, 2) .. scope .. tag .. string.sub(s.proof, 3)
end

local function inBucket(epoch, tag)
  local key = bucket(epoch, tag)
  local v = looked('HGET', key, tag)
  if v == nil then broken(key) end
  if not v then return end
  local s = proven(key, v, 1, 0)
  s.key, s.epoch, s.w = key, epoch, FOREVER
  return s
end

local function readSession(e, tag)
  local s = e.open and inBucket(e.open, tag)
  for i = #e.closed, 1, -1 do
    s = s or inBucket(e.closed[i], tag)
  end
  return s
end

local function readWatermark(scope, tag)
  local key = base .. scope .. ':' .. tag
  local v = looked('GET', key)
  if v == nil or v and #v < 6 then broken(key) end
  if not v then return end
  local s = proven(key, v, 7, 6)
  s.w = struct.unpack('>I6', v)
  return s
end

local function readGlobal(scope, tag)
  local v = looked('HGET', KEYS[3], scope .. tag)
  if v == nil or v and proofEnd(v, 13, 6) ~= #v then broken(KEYS[3], 'the global entries are damaged') end
  if not v then return end
  local s = {proof = string.sub(v, 13), mac = string.sub(v, -8)}
  s.w, s.till = struct.unpack('>I6I6', v)
  return s
end

-- held returns the entry of the exact set with this scope and tag, or nil.
local function held(scope, tag, e)
  local id = scope .. tag
  if seen[id] == nil then
    if scope == 's' then
      seen[id] = readSession(e, tag) or false
    elseif scope == 'u' or scope == 'g' then
      seen[id] = readWatermark(scope, tag) or false
    else
      seen[id] = readGlobal(scope, tag) or false
    end
  end
  return seen[id] or nil
end

local NOTAG = string.rep('\0', 16)

-- question unpacks session (16 bytes), subject (16), epoch (6), checked (6), skew (4), the numbers
-- of groups (1) and keys (1), and their tags.
local function question(s)
  local q = {groups = {}, keys = {}}
  local groups, keys
  q.session, q.subject = string.sub(s, 1, 16), string.sub(s, 17, 32)
  q.epoch, q.checked, q.skew, groups, keys = struct.unpack('>I6I6I4BB', s, 33)
  local at = 51
  for _ = 1, groups do q.groups[#q.groups + 1] = string.sub(s, at, at + 15); at = at + 16 end
  for _ = 1, keys do q.keys[#q.keys + 1] = string.sub(s, at, at + 15); at = at + 16 end
  return q
end

-- match looks up everything that could revoke the session of q. It returns the packed entries that
-- it found, with the highest W of subject, groups and everyone, and whether the session is known to
-- be not revoked (Answer.Judge returns FoundNothing).
local function match(q, e, h, now)
  local free = q.epoch <= math.max(now, h.ms) + q.skew and q.checked >= h.b and q.checked <= h.ms + q.skew
  local a = {highest = 0}
  local function look(scope, tag, after)
    local found = held(scope, tag, e)
    if not found then return end
    a[#a + 1] = packed(scope, tag, found)
    if found.w >= after and found.w > 0 then free = false end
    if scope ~= 's' and scope ~= 'k' then a.highest = math.max(a.highest, found.w) end
  end
  if q.session ~= NOTAG then look('s', q.session, 0) end
  look('e', NOTAG, q.epoch)
  if q.subject ~= NOTAG then look('u', q.subject, q.epoch) end
  for _, tag in ipairs(q.groups) do look('g', tag, q.epoch) end
  for _, tag in ipairs(q.keys) do look('k', tag, 0) end
  return a, free
end

-- closes is Answer.Closes: it reports whether log time must move after this answer (R3).
local function closes(q, a, h, now)
  if q.session ~= NOTAG then return false end
  if q.subject == NOTAG and #q.groups == 0 then return h.ms >= now end
  return a.highest == h.ms + q.skew
end
