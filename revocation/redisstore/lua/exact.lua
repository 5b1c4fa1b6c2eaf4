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

local seen = {} -- from scope and tag to the entries held, by effect

-- packed returns an entry as the client reads it: W (6 bytes), a byte that is 1 if the log has no
-- such entry, and the entry as its writer packed it.
local function packed(scope, tag, s)
  return struct.pack('>I6B', s.w, s.quiet and 1 or 0) .. string.sub(s.proof, 1, 2) .. scope .. tag .. string.sub(s.proof, 3)
end

-- stored returns the entries in v, the value of key, by effect.
local function stored(key, scope, v, what)
  local all = v and records(scope, v)
  if v == nil or v and not all then broken(key, what) end
  return all
end

local function inBucket(epoch, tag)
  local key = bucket(epoch, tag)
  local all = stored(key, 's', looked('HGET', key, tag))
  if all then all.key, all.epoch = key, epoch end
  return all
end

local function readSession(e, tag)
  local all = e.open and inBucket(e.open, tag)
  for i = #e.closed, 1, -1 do
    all = all or inBucket(e.closed[i], tag)
  end
  return all
end

-- held returns the entries of the exact set with this scope and tag, by effect. Those of a session
-- have fields for the key and the epoch that hold them.
local function held(scope, tag, e)
  local id = scope .. tag
  if not seen[id] then
    local all
    if scope == 's' then
      all = readSession(e, tag)
    elseif scope == 'u' or scope == 'g' then
      all = stored(base .. scope .. ':' .. tag, scope, looked('GET', base .. scope .. ':' .. tag))
    else
      all = stored(KEYS[3], scope, looked('HGET', KEYS[3], id), 'the global entries are damaged')
    end
    seen[id] = all or {}
  end
  return seen[id]
end

local NOTAG = string.rep('\0', 16)

-- question unpacks session (16 bytes), subject (16), epoch (6), logged in (6), loaded (6), checked
-- (6), skew (4), the numbers of groups (1) and keys (1), and their tags.
local function question(s)
  local q = {groups = {}, keys = {}}
  local groups, keys
  q.session, q.subject = string.sub(s, 1, 16), string.sub(s, 17, 32)
  q.epoch, q.login, q.loaded, q.checked, q.skew, groups, keys = struct.unpack('>I6I6I6I6I4BB', s, 33)
  local at = 63
  for _ = 1, groups do q.groups[#q.groups + 1] = string.sub(s, at, at + 15); at = at + 16 end
  for _ = 1, keys do q.keys[#q.keys + 1] = string.sub(s, at, at + 15); at = at + 16 end
  return q
end

-- match looks up everything that could revoke the session of q. It returns the packed entries that
-- it found, with a set of the watermarks of subject, groups and everyone, and whether the session is known to
-- be not revoked, and nothing is asked of it (Answer.Judge returns FoundNothing).
local function match(q, e, h, now)
  local free = q.epoch <= math.max(now, h.ms) + q.skew and q.checked >= h.b and q.checked <= h.ms + q.skew
  local a = {watermarks = {}}
  local function look(scope, tag)
    local all = held(scope, tag, e)
    for effect = 0, 15 do
      local found = all[effect]
      if found then
        a[#a + 1] = packed(scope, tag, found)
        local after = q.login
        if effect == RELOAD then after = q.loaded end
        if effect == END then after = (scope == 's' or scope == 'k') and 0 or q.epoch end
        if found.w >= after and found.w > 0 then free = false end
        if scope ~= 's' and scope ~= 'k' then a.watermarks[found.w] = true end
      end
    end
  end
  if q.session ~= NOTAG then look('s', q.session) end
  look('e', NOTAG)
  if q.subject ~= NOTAG then look('u', q.subject) end
  for _, tag in ipairs(q.groups) do look('g', tag) end
  for _, tag in ipairs(q.keys) do look('k', tag) end
  return a, free
end

-- closes is Answer.Closes: it reports whether log time must move after this answer (R3).
local function closes(q, a, h, now)
  if q.session ~= NOTAG then return false end
  if q.subject == NOTAG and #q.groups == 0 then return h.ms >= now end
  return a.watermarks[h.ms + q.skew] == true
end
