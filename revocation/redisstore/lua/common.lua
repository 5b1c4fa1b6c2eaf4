-- KEYS of every script: 1 head (hash)  2 log (stream)  3 globals (hash)
-- Fields of the head (sizes in bytes):
--   v layout, g list id, k check value of the list key, b complete from, n newest number, i number of
--   the newest item of the log, ms log time, c chain, f floor
--   l terms: id 4, start 6, opened 6 each
--   r retentions: from 6, retain 6 each
--   kn known: how far some replica had read what was lost, and the term of that moment (ms-term)
--   t clock and m log time of the last heartbeat, ev evictions that the server had counted then
--   e open epoch: id 4, bits 1, until 6, count 4, opened 6
--   x closed epochs: id 4, bits 1, until 6 each
--   rc roll: how often the replicas were asked to register at once; absent: never
-- A script ends with an error by raising a table.
local FIELDS = {'v', 'g', 'k', 'b', 'n', 'i', 'ms', 'c', 'f', 'l', 'r', 'kn', 't', 'm', 'ev', 'e', 'x', 'rc'}
local FOREVER = 281474976710655
local YEAR = 31622400000

local function dec(x) return string.format('%.0f', x) end

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- onward returns log time now, which is the clock. If log time is ahead of the clock, it goes on at
-- half speed from the last heartbeat (R3).
local function onward(h, now)
  return math.max(now, h.ms, h.m + math.floor(math.min(math.max(now - h.t, 0), 10000) / 2))
end

-- number reads a number, and returns nil if v is not a valid one.
local function number(v)
  local n = v and #v <= 15 and string.find(v, '^%d+$') and tonumber(v)
  if n and n <= FOREVER then return n end
end

-- looked calls a read command, and returns nil if the key has another type.
local function looked(...)
  local got = redis.pcall(...)
  if type(got) ~= 'table' or not got.err then return got end
  if not string.find(got.err, 'WRONGTYPE', 1, true) then error(got) end
end

-- termOf returns the term of this primary, from INFO replication. latest returns the term that was
-- opened last (R3).
local function termOf(info)
  return math.max(tonumber(string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)'), 16), 1)
end

local function latest(terms)
  local term = struct.unpack('>I4', terms, #terms - 15)
  return term
end

-- opened adds a term, which starts at the last heartbeat of the previous primary. It keeps 32
-- terms.
local function opened(terms, term, start, ms)
  return string.sub(terms .. struct.pack('>I4I6I6', term, start, ms), -512)
end

local function evictions(info)
  return tonumber(string.match(info, 'evicted_keys:(%d+)'))
end

-- told returns the head as the client reads it.
local function told(h)
  return {h.v, h.g, h.k, h.b, h.n, h.ms, h.c, h.f, h.l, h.r, h.kn}
end

local SIZES = {g = 16, k = 16, c = 8}
local NUMBERS = {'b', 'n', 'i', 'ms', 'f', 't', 'm', 'ev'}
local RECORDS = {l = 16, r = 12, x = 11}

-- damage returns the name of a damaged field of the head, or nil.
local function damage(h)
  for name, size in pairs(SIZES) do
    if not h[name] or #h[name] ~= size then return name end
  end
  for _, name in ipairs(NUMBERS) do
    if not h[name] then return name end
  end
  for name, size in pairs(RECORDS) do
    if #h[name] % size ~= 0 or #h[name] == 0 and name ~= 'x' then return name end
  end
  if h.e and #h.e ~= 21 then return 'e' end
  local _, start, open = struct.unpack('>I4I6I6', h.l, #h.l - 15)
  local from = struct.unpack('>I6', h.r, #h.r - 11)
  local known, term = string.match(h.kn or '', '^(%d+)-(%d+)$')
  if not number(known) or not number(term) or tonumber(term) > 4294967295 then return 'kn' end
  -- No time in the list is later than its log time, and less than a year lies between two
  -- heartbeats.
  local past = {b = h.b + 1, f = h.f, m = h.m, l = math.max(start, open), r = from, kn = tonumber(known)}
  for name, at in pairs(past) do
    if at > h.ms then return name end
  end
  if h.ms - h.m > YEAR then return 'ms' end
end

-- head returns the head by name, and what is wrong with it or with the other keys, or nil.
local function head()
  local raw = looked('HMGET', KEYS[1], unpack(FIELDS))
  if not raw then return {}, 'head is not a hash' end
  local h = {}
  for i, name in ipairs(FIELDS) do h[name] = raw[i] end
  for _, name in ipairs(NUMBERS) do h[name] = number(h[name]) end
  h.l, h.r, h.x, h.rc = h.l or '', h.r or '', h.x or '', number(h.rc) or 0
  if not h.g and not h.v then return h, 'head is gone' end
  if number(h.v) and h.v ~= '1' then return h, nil end
  local field = h.v ~= '1' and 'v' or damage(h)
  if field then return h, 'field ' .. field .. ' of head is damaged' end
  if redis.call('EXISTS', KEYS[2]) == 0 then return h, 'log is gone' end
  if redis.call('EXISTS', KEYS[3]) == 0 then return h, 'the global entries are gone' end
  return h, nil
end

local function lost(what) error(redis.error_reply('LOST ' .. what)) end

-- guard returns the head if the server holds the list with this id (R1).
local function guard(list)
  local h, wrong = head()
  if wrong then lost(wrong) end
  if h.v ~= '1' then error(redis.error_reply('LAYOUT ' .. h.v)) end
  if list and h.g ~= list then error(redis.error_reply('OTHERLIST another list')) end
  return h
end

-- torn says how the log disagrees with the head, or returns nil. No number may be missing, and the
-- log must end with the newest entry unless all of it was trimmed.
local function torn(h)
  local raw = looked('XINFO', 'STREAM', KEYS[2])
  if not raw then return 'log is not a stream' end
  local s = {}
  for i = 1, #raw, 2 do s[raw[i]] = raw[i + 1] end
  local ms, n = string.match(s['last-generated-id'], '(%d+)-(%d+)')
  if tonumber(n) ~= h.n or tonumber(ms) > h.ms then return 'log and head disagree on the newest entry' end
  if s.length == 0 then return nil end
  local first, last = s['first-entry'], s['last-entry']
  if last[1] ~= s['last-generated-id'] or string.sub(last[2][2], -8) ~= h.c then return 'log lacks its newest entry' end
  local surplus = number(first[2][1]) -- see append
  if not surplus or s.length ~= h.i - (tonumber(string.match(first[1], '-(%d+)')) - surplus) + 1 then return 'log has a gap' end
end

-- writable says whether this server takes writes, and returns the error if not. Call it before any
-- other write. PERSIST needs no memory, and after it a server at maxmemory lets other writes
-- through.
local function writable()
  local p = redis.pcall('PERSIST', KEYS[1])
  return not (type(p) == 'table' and p.err), p
end

local END, SLOWLY, LOGIN, RELOAD = 1, 2, 3, 4 -- effects, as they are written

-- effectOf returns the effect of the proof that begins at at.
local function effectOf(v, at) return math.floor(string.byte(v, at + 1) / 16) end

-- bare reports whether an entry has no limit and no W: it ends one session.
local function bare(scope, effect) return scope == 's' and effect == END end

-- A proof is what the writer signed, without scope and tag, and the MAC: version (1 byte), effect
-- (1), length of the parameters (1), parameters, limit (6, not if it is bare), MAC (8). proofEnd
-- returns where the proof that begins at at ends, or nil if no proof begins there. No version is 0.
local function proofEnd(v, at, scope)
  if #v < at + 2 or string.byte(v, at) == 0 then return nil end
  local params, limit = string.byte(v, at + 2), bare(scope, effectOf(v, at)) and 0 or 6
  local till = at + 2 + params + limit + 8
  return params <= 64 and till <= #v and till or nil
end
