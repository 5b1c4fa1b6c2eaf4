-- KEYS of every script: 1 head (hash)  2 log (stream)  3 globals (hash)
-- Head: v layout, g list id, k key check, b complete from, n newest number, ms log time, c chain, f floor,
--   l terms (id 4, start 6, opened 6 each), r retentions (from 6, retain 6 each), kn known: highest log time a replica had
--   reached in what was lost and the term there (ms-term), t clock and m log time of the last heartbeat, ev evictions counted by
--   the server then, e open epoch (id 4, bits 1, until 6, count 4, opened 6), x closed epochs (id 4, bits 1, until 6 each).
-- An error is raised as a table, which ends the script.
local FIELDS = {'v', 'g', 'k', 'b', 'n', 'ms', 'c', 'f', 'l', 'r', 'kn', 't', 'm', 'ev', 'e', 'x'}
local FOREVER = 281474976710655
local YEAR = 31622400000

local function dec(x) return string.format('%.0f', x) end

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- onward is log time now: the clock. Where log time is ahead of that, it goes on at half the speed from the last heartbeat (R3).
local function onward(h, now)
  return math.max(now, h.ms, h.m + math.floor(math.min(math.max(now - h.t, 0), 10000) / 2))
end

-- number reads a number of a list, nil if it is none.
local function number(v)
  local n = v and #v <= 15 and string.find(v, '^%d+$') and tonumber(v)
  if n and n <= FOREVER then return n end
end

-- looked calls a command that reads, and returns nil if the key is of another type.
local function looked(...)
  local got = redis.pcall(...)
  if type(got) ~= 'table' or not got.err then return got end
  if not string.find(got.err, 'WRONGTYPE', 1, true) then error(got) end
end

-- termOf is the term of this primary, from INFO replication; latest the one that opened last (R3).
local function termOf(info)
  return math.max(tonumber(string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)'), 16), 1)
end

local function latest(terms)
  local term = struct.unpack('>I4', terms, #terms - 15)
  return term
end

-- opened returns terms with one more, which begins at the last heartbeat of the primary before. 32 are kept.
local function opened(terms, term, start, ms)
  return string.sub(terms .. struct.pack('>I4I6I6', term, start, ms), -512)
end

local function evictions(info)
  return tonumber(string.match(info, 'evicted_keys:(%d+)'))
end

-- told is the head as the client reads it.
local function told(h)
  return {h.v, h.g, h.k, h.b, h.n, h.ms, h.c, h.f, h.l, h.r, h.kn}
end

local SIZES = {g = 16, k = 16, c = 8}
local NUMBERS = {'b', 'n', 'ms', 'f', 't', 'm', 'ev'}
local RECORDS = {l = 16, r = 12, x = 11}

-- damage says what is wrong with a head, nil if nothing is.
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
  -- What is in the list came before its log time, and between two heartbeats there is no year.
  local past = {b = h.b + 1, f = h.f, m = h.m, l = math.max(start, open), r = from, kn = tonumber(known)}
  for name, at in pairs(past) do
    if at > h.ms then return name end
  end
  if h.ms - h.m > YEAR then return 'ms' end
end

-- head returns the head by name, and what is wrong with it or with the other keys, nil if nothing is.
local function head()
  local raw = looked('HMGET', KEYS[1], unpack(FIELDS))
  if not raw then return {}, 'head is no hash' end
  local h = {}
  for i, name in ipairs(FIELDS) do h[name] = raw[i] end
  for _, name in ipairs(NUMBERS) do h[name] = number(h[name]) end
  h.l, h.r, h.x = h.l or '', h.r or '', h.x or ''
  if not h.g and not h.v then return h, 'head is gone' end
  if number(h.v) and h.v ~= '1' then return h, nil end
  local field = h.v ~= '1' and 'v' or damage(h)
  if field then return h, 'head has no good ' .. field end
  if redis.call('EXISTS', KEYS[2]) == 0 then return h, 'log is gone' end
  if redis.call('EXISTS', KEYS[3]) == 0 then return h, 'the global entries are gone' end
  return h, nil
end

local function lost(what) error(redis.error_reply('LOST ' .. what)) end

-- guard returns the head of the list asked for (R1).
local function guard(list)
  local h, wrong = head()
  if wrong then lost(wrong) end
  if h.v ~= '1' then error(redis.error_reply('LAYOUT ' .. h.v)) end
  if list and h.g ~= list then error(redis.error_reply('GENESIS another list')) end
  return h
end

-- torn says how the log does not fit the head, nil if it does: no number of it is missing, and it ends with the newest entry
-- unless all of it was trimmed.
local function torn(h)
  local raw = looked('XINFO', 'STREAM', KEYS[2])
  if not raw then return 'log is no stream' end
  local s = {}
  for i = 1, #raw, 2 do s[raw[i]] = raw[i + 1] end
  local ms, n = string.match(s['last-generated-id'], '(%d+)-(%d+)')
  if tonumber(n) ~= h.n or tonumber(ms) > h.ms then return 'log ends elsewhere than head says' end
  if s.length == 0 then return nil end
  local first, last = s['first-entry'], s['last-entry']
  if last[1] ~= s['last-generated-id'] or string.sub(last[2][2], -8) ~= h.c then return 'log lacks its newest entry' end
  if s.length ~= h.n - tonumber(string.match(first[1], '-(%d+)')) + 1 then return 'log has a gap' end
end

-- writable says whether this server takes writes, and by which error not. It comes before any other write: a write
-- that needs no memory lets those after it through where maxmemory is reached.
local function writable()
  local p = redis.pcall('PERSIST', KEYS[1])
  return not (type(p) == 'table' and p.err), p
end

-- Proofs: what the writer signed, without scope and tag, and the MAC: version 1, effect 1, length of the parameters 1, parameters,
-- limit 6 unless it is of a session, MAC 8. proofEnd is where the one that begins at a place ends, nil if there is none.
local function proofEnd(v, at, limit)
  if #v < at + 2 then return nil end
  local params = string.byte(v, at + 2)
  local till = at + 2 + params + limit + 8
  return params <= 64 and till <= #v and till or nil
end
