-- KEYS of every script: 1 head (hash)  2 log (stream)  3 marks (hash)
-- Head: v layout, g genesis, k key check, b born, n newest number, ms log time, c chain, f floor,
--   l lines (id 4, start 6, opened 6 each), r raises (from 6, retain 6 each), t clock and m log time of the last beat,
--   kn known: highest log time a replica had reached in what was lost, ev evictions counted by the server then, e open epoch (id 4, bits 1, until 6, count 4, opened 6),
--   x closed epochs (id 4, bits 1, until 6 each).
local LATE = 3600000 -- what nobody can ask about any more is kept for one more hour
local FOREVER = 281474976710655
local MINBITS, MAXBITS = 4, 24
local base = string.sub(KEYS[1], 1, -5)
local names = {'v', 'g', 'k', 'b', 'n', 'ms', 'c', 'f', 'l', 'r', 't', 'm', 'ev', 'kn'}

local function dec(x) return string.format('%.0f', x) end

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- reigns is the line of this primary, from INFO replication; latest the one that opened last (R3).
local function reigns(info)
  return math.max(tonumber(string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)'), 16), 1)
end

local function latest(h)
  local line = struct.unpack('>I4', h.l, #h.l - 15)
  return line
end

-- guard returns the head, or nil and why this is not the list asked for.
local function guard(genesis)
  local got = redis.call('HMGET', KEYS[1], unpack(names))
  local h = {}
  for i, name in ipairs(names) do h[name] = got[i] end
  if not h.g or redis.call('EXISTS', KEYS[2]) == 0 then return nil, redis.error_reply('LOST head or log is gone') end
  if h.v ~= '1' then return nil, redis.error_reply('LAYOUT ' .. tostring(h.v)) end
  if genesis and h.g ~= genesis then return nil, redis.error_reply('GENESIS another list') end
  for _, name in ipairs({'b', 'n', 'ms', 'f', 't', 'm', 'ev', 'kn'}) do h[name] = tonumber(h[name] or 0) end
  return h
end

-- told is the head as the client reads it.
local function told(h)
  return {h.v, h.g, h.k, dec(h.b), dec(h.n), dec(h.ms), h.c, dec(h.f), h.l, h.r, dec(h.kn)}
end

local function retain(h)
  local _, r = struct.unpack('>I6I6', h.r, #h.r - 11)
  return r
end

-- writable says whether this server takes writes, and by which error not. It comes before any other write: a write
-- that needs no memory lets those after it through where maxmemory is reached.
local function writable()
  local p = redis.pcall('PERSIST', KEYS[1])
  return not (type(p) == 'table' and p.err), p
end

local function bucket(id, bits, tag)
  return base .. 'x:' .. id .. ':' .. math.floor(struct.unpack('>I4', tag) / 2 ^ (32 - bits))
end

-- epochs reads what sessions are kept in: the open epoch, if there is one, and the closed ones.
local function epochs()
  local got = redis.call('HMGET', KEYS[1], 'e', 'x')
  local e = {closed = {}, raw = got[2] or ''}
  for at = 1, #e.raw, 11 do
    local id, bits, till = struct.unpack('>I4BI6', e.raw, at)
    e.closed[#e.closed + 1] = {id = id, bits = bits, till = till}
  end
  if got[1] then
    local o = {}
    o.id, o.bits, o.till, o.count, o.opened = struct.unpack('>I4BI6I4I6', got[1])
    e.open = o
  end
  return e
end

-- kept returns the bucket that holds a session, and its epoch.
local function kept(e, tag)
  if e.open then
    local key = bucket(e.open.id, e.open.bits, tag)
    if redis.call('HEXISTS', key, tag) == 1 then return key, e.open end
  end
  for i = #e.closed, 1, -1 do
    local key = bucket(e.closed[i].id, e.closed[i].bits, tag)
    if redis.call('HEXISTS', key, tag) == 1 then return key, e.closed[i] end
  end
end

local function watermark(scope, tag)
  return tonumber(redis.call('GET', base .. scope .. ':' .. tag) or 0)
end

local function mark(scope, tag)
  local v = redis.call('HGET', KEYS[3], scope .. tag)
  if not v then return 0, 0 end
  local w, till = struct.unpack('>I6I6', v)
  return w, till
end

local NOTAG = string.rep('\0', 16)

-- question unpacks: session 16, subject 16, epoch 6, checked 6, skew 4, groups 1, keys 1, and their tags.
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

-- answer gives the W in force of everything asked for: session, subject, everyone, groups, keys.
local function answer(q, e)
  local a = {0, 0, 0, {}, {}}
  if q.session ~= NOTAG and kept(e or epochs(), q.session) then a[1] = 1 end
  if q.subject ~= NOTAG then a[2] = watermark('u', q.subject) end
  a[3] = mark('e', NOTAG)
  for i, tag in ipairs(q.groups) do a[4][i] = watermark('g', tag) end
  for i, tag in ipairs(q.keys) do a[5][i] = mark('k', tag) end
  return a
end

-- clear is Answer.Judge == FoundNothing.
local function clear(a, q, h, now)
  if a[1] == 1 then return false end
  for _, w in ipairs({a[2], a[3], unpack(a[4])}) do
    if w > 0 and w >= q.epoch then return false end
  end
  for _, w in ipairs(a[5]) do
    if w > 0 then return false end
  end
  return q.epoch <= math.max(now, h.ms) + q.skew + 1 and q.checked >= h.b and q.checked <= h.ms + q.skew
end
