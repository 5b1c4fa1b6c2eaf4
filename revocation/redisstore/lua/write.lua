-- ARGV: 1 list id  2 floor  3 skew  4 assertions (39 bytes each)  5 unless  6 then  7 known  8 its term  9 born
--   10 retain  11 '1': recheck  12 '1': quiet, nothing goes into the log
local h = guard(ARGV[1])
local wrong = torn(h)
if wrong then lost(wrong) end
local now = clock()
local e = epochs(h)
local term = termOf(redis.call('INFO', 'replication'))
if ARGV[5] ~= '' then
  if latest(h.l) ~= term then return redis.error_reply('LINE this primary has not been followed yet') end
  local answer, free = match(question(ARGV[5]), e, h, now)
  if not free then return {0, told(h), math.abs(now - h.t), now, {}, answer} end
end
local set = {} -- fields of the head

local function put(name, value) set[#set + 1], set[#set + 2] = name, value end

-- doubt raises what the head says of losses (R10, R11), and log time behind it.
local function doubt(known, at, born)
  local before = h.b
  h.b = math.max(before, born)
  if known > before then h.b = math.max(h.b, h.ms, known) end -- R10: whatever was stamped until now may be wrong
  if h.b > before then
    h.ms = math.max(h.ms, h.b + 1)
    put('b', dec(h.b))
  end
  if known == 0 then return end
  local old, oldTerm = string.match(h.kn, '(%d+)-(%d+)')
  if old ~= '0' and at ~= oldTerm then at = '0' end
  h.kn = dec(math.max(known, tonumber(old))) .. '-' .. at
  put('kn', h.kn)
end

-- opens opens the term of this primary (R3): what it takes has to be of that, even before anybody reads it. This is a
-- heartbeat, too.
local function opens()
  if latest(h.l) == term then return end
  h.l, h.t, h.m = opened(h.l, term, h.m, h.ms), now, h.ms
  put('l', h.l)
  put('t', dec(now))
  put('m', dec(h.ms))
  put('ev', dec(evictions(redis.call('INFO', 'stats'))))
end

local function retain(keep)
  if keep <= retention(h) then return end
  h.r = h.r .. struct.pack('>I6I6', h.ms, keep)
  put('r', h.r)
end

local function putEpochs(p)
  local o = p.e.open
  if p.used or p.moved and o then put('e', struct.pack('>I4BI6I4I6', o.id, o.bits, o.till, o.count, o.opened)) end
  if not p.moved then return end
  local raw = {}
  for _, c in ipairs(p.e.closed) do
    if c.till + LATE >= h.ms then raw[#raw + 1] = struct.pack('>I4BI6', c.id, c.bits, c.till) end
  end
  put('x', table.concat(raw))
end

h.ms = math.max(now, h.ms, tonumber(ARGV[2]))
doubt(tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9]))
local all = unpacked(ARGV[4])
for _, a in ipairs(all) do
  if a.when == 2 and a.w > h.ms then return redis.error_reply('FUTURE before lies beyond log time') end
end
opens()
retain(tonumber(ARGV[10]))
local p = {h = h, e = e, keep = retention(h), skew = tonumber(ARGV[3]), quiet = ARGV[12] == '1', todo = {}, expiry = {}}
local results = asserted(p, all)
if ARGV[11] == '1' then
  h.f, h.ms = h.ms, h.ms + 1
  put('f', dec(h.f))
end
local answer = ARGV[6] ~= '' and match(question(ARGV[6]), e, h, now) or nil
putEpochs(p)

-- From here on it writes. The first command needs memory, so that a full server refuses it and with it all others.
redis.call('HSET', KEYS[1], 'ms', dec(h.ms), 'n', dec(h.n), 'c', h.c, unpack(set))
for _, c in ipairs(p.todo) do redis.call(unpack(c)) end
for key, till in pairs(p.expiry) do
  till = dec(till + LATE)
  if redis.call('PEXPIREAT', key, till, 'GT') == 0 then redis.call('PEXPIREAT', key, till, 'NX') end
end
return {1, told(h), math.abs(now - h.t), now, results, answer}
