-- ARGV: 1 genesis  2 floor  3 skew  4 assertions (39 bytes each)  5 unless  6 then  7 known  8 its line  9 born
--   10 retain  11 '1': recheck  12 '1': quiet, nothing goes into the log
local h, why = guard(ARGV[1])
if not h then return why end
h = named(h)
local now = clock()
local e = epochs()
local line = reigns(redis.call('INFO', 'replication'))
if ARGV[5] ~= '' then
  if latest(h.l) ~= line then
    return redis.error_reply('LINE this primary has not been followed yet')
  end
  local q = question(ARGV[5])
  local a = answer(q, e)
  if not clear(a, q, h, now) then return {0, told(h), math.abs(now - h.t), now, {}, a} end
end
local floor, skew, known, keep = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[7]), tonumber(ARGV[10])
local ms = math.max(now, h.ms, floor)
local born = math.max(h.b, tonumber(ARGV[9]))
if known > h.b then born = math.max(born, ms, known) end -- R10: whatever was stamped until now may be wrong
if born > h.b then ms = math.max(ms, born + 1) end
local kn = h.kn
if known > 0 then
  local old, at = string.match(h.kn, '(%d+)-(%d+)')
  if old == '0' then at = ARGV[8] elseif at ~= ARGV[8] then at = '0' end
  kn = dec(math.max(known, tonumber(old))) .. '-' .. at
end
local all = {}
for at = 1, #ARGV[4], 39 do
  local a = {}
  a.scope, a.when, a.tag, a.w, a.till, a.version, a.mac = struct.unpack('>c1Bc16I6I6c1c8', ARGV[4], at)
  if a.when == 2 and a.w > ms then return redis.error_reply('FUTURE before lies beyond log time') end
  all[#all + 1] = a
end

-- From here on it writes.
local set = {}
if latest(h.l) ~= line then
  -- R3: what this primary takes has to be of its own line, even before anybody reads it. This is a beat, too.
  h.l, h.t = opened(h.l, line, h.m, ms), now
  local ev = dec(evictions(redis.call('INFO', 'stats')))
  set = {'l', h.l, 't', dec(now), 'm', dec(ms), 'ev', ev}
end
if born > h.b then h.b = born; set[#set + 1], set[#set + 2] = 'b', dec(born) end
if kn ~= h.kn then h.kn = kn; set[#set + 1], set[#set + 2] = 'kn', kn end
if keep > retain(h) then
  h.r = h.r .. struct.pack('>I6I6', ms, keep)
  set[#set + 1], set[#set + 2] = 'r', h.r
end
h.ms = ms
local kept_for = retain(h)
local moved = false -- whether the epochs changed

local function openEpoch()
  local o = e.open
  local full = o and o.bits < MAXBITS and o.count >= 96 * 2 ^ o.bits
  if o and not full and h.ms - o.opened < kept_for / 8 then return o end
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
  e.open = {id = id, bits = bits, till = 0, count = 0, opened = h.ms}
  moved = true
  return e.open
end

local function append(a, at, w, till)
  if ARGV[12] == '1' then return end
  h.n = h.n + 1
  local body = a.version .. a.scope .. a.tag
  if a.scope ~= 's' then body = body .. struct.pack('>I6I6', w, till) end
  body = body .. a.mac
  local id = dec(at) .. '-' .. dec(h.n)
  local sum = redis.sha1hex(h.c .. id .. body)
  h.c = struct.pack('>I4I4', tonumber(string.sub(sum, 1, 8), 16), tonumber(string.sub(sum, 9, 16), 16))
  redis.call('XADD', KEYS[2], 'NOMKSTREAM', 'MINID', '~', dec(h.ms - math.min(kept_for, 86400000)), id, 'e', body .. h.c)
  h.ms = at
end

local function expire(key, till)
  if redis.call('PEXPIREAT', key, dec(till + LATE), 'GT') == 0 then redis.call('PEXPIREAT', key, dec(till + LATE), 'NX') end
end

-- What only a quiet batch wrote is marked with a q, for whoever revokes it again: it is news to those who read the log.
local quiet = ARGV[12] == '1' and 'q' or ''

local function session(a)
  local key, epoch = kept(e, a.tag)
  local till = math.max(h.ms + kept_for, a.till)
  if key then
    local news = quiet == '' and redis.call('HGET', key, a.tag) == 'q'
    if not news then till = a.till end -- asked to remember it for longer, or not
    if till > epoch.till then
      epoch.till, moved = till, true
      expire(key, till)
    end
    if not news then return false, FOREVER end
    append(a, h.ms, FOREVER)
    redis.call('HSET', key, a.tag, '')
    return true, FOREVER
  end
  append(a, h.ms, FOREVER, till)
  epoch = openEpoch()
  key = bucket(epoch.id, epoch.bits, a.tag)
  redis.call('HSET', key, a.tag, quiet)
  expire(key, till)
  epoch.count, epoch.till, e.used = epoch.count + 1, math.max(epoch.till, till), true
  return true, FOREVER
end

local function other(a)
  local at = h.ms + 1 -- R3: a watermark shares its ms with nothing before it
  local w = a.w
  if a.scope == 'k' then w = FOREVER elseif a.when == 1 then w = at + skew end
  local till = math.max(at + kept_for, a.till)
  local is_mark = a.scope == 'e' or a.scope == 'k'
  local key = base .. a.scope .. ':' .. a.tag
  local old, old_till, found, unheard
  if is_mark then
    old, old_till = mark(a.scope, a.tag)
    found = old_till > 0
  else
    found = redis.call('GET', key)
    old, old_till = number(found), 0
    unheard = found and string.sub(found, -1) == 'q'
    if found then old_till = redis.call('PEXPIRETIME', key) - LATE end
  end
  local changed = not found or w > old or unheard and quiet == ''
  local note = quiet
  if changed then
    w, till = math.max(w, old), math.max(till, old_till)
    append(a, at, w, till)
  elseif a.till > old_till then
    w, till, note = old, a.till, unheard and 'q' or '' -- asked to remember it for longer
  else
    return false, old
  end
  if is_mark then
    local held = redis.call('HGETALL', KEYS[3])
    for i = 1, #held, 2 do
      local _, t = struct.unpack('>I6I6', held[i + 1])
      if t + LATE < h.ms then redis.call('HDEL', KEYS[3], held[i]) end
    end
    redis.call('HSET', KEYS[3], a.scope .. a.tag, struct.pack('>I6I6', w, till))
  else
    redis.call('SET', key, dec(w) .. note, 'PXAT', dec(till + LATE))
  end
  return changed, w
end

local results = {}
for _, a in ipairs(all) do
  local changed, w
  if a.scope == 's' then changed, w = session(a) else changed, w = other(a) end
  results[#results + 1], results[#results + 2] = h.ms, h.n
  results[#results + 1], results[#results + 2] = changed and 1 or 0, w
end
if ARGV[11] == '1' then h.f, h.ms = h.ms, h.ms + 1; set[#set + 1], set[#set + 2] = 'f', dec(h.f) end
if moved then
  local raw = {}
  for _, c in ipairs(e.closed) do
    if c.till + LATE >= h.ms then raw[#raw + 1] = struct.pack('>I4BI6', c.id, c.bits, c.till) end
  end
  set[#set + 1], set[#set + 2] = 'x', table.concat(raw)
end
if e.used or moved then
  local o = e.open
  set[#set + 1], set[#set + 2] = 'e', struct.pack('>I4BI6I4I6', o.id, o.bits, o.till, o.count, o.opened)
end
redis.call('HSET', KEYS[1], 'ms', dec(h.ms), 'n', dec(h.n), 'c', h.c, unpack(set))
local out = {1, told(h), math.abs(now - h.t), now, results}
if ARGV[6] ~= '' then out[6] = answer(question(ARGV[6]), e) end
return out
