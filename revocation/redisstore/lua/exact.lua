-- What only those need that look into the exact set or write to it.
local LATE = 3600000 -- what nobody can ask about any more is kept for one more hour
local FOREVER = 281474976710655
local MINBITS, MAXBITS = 4, 24
local base = string.sub(KEYS[1], 1, -5)

-- named returns a head with names and numbers; told is the reverse.
local function named(h)
  return {
    v = h[1], g = h[2], k = h[3], b = tonumber(h[4]), n = tonumber(h[5]), ms = tonumber(h[6]), c = h[7],
    f = tonumber(h[8]), l = h[9], r = h[10], kn = h[11], t = tonumber(h[12]), m = tonumber(h[13]),
  }
end

local function told(h)
  return {h.v, h.g, h.k, dec(h.b), dec(h.n), dec(h.ms), h.c, dec(h.f), h.l, h.r, h.kn}
end

local function retain(h)
  local _, r = struct.unpack('>I6I6', h.r, #h.r - 11)
  return r
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

-- number reads a watermark, which has a q behind it if no entry of the log shows it.
local function number(v)
  return tonumber(string.match(v or '0', '^%d+'))
end

local function watermark(scope, tag)
  return number(redis.call('GET', base .. scope .. ':' .. tag))
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
