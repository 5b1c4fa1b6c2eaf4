-- KEYS of every script: 1 head (hash)  2 log (stream)  3 marks (hash)
-- Head: v layout, g genesis (list id), k key check, b born, n newest number, ms log time, c chain, f floor,
--   l lines (id 4, start 6, opened 6 each), r raises (from 6, retain 6 each), kn known: highest log time a replica had reached in
--   what was lost and the line there (ms-line), t clock and m log time of the last beat, ev evictions counted by the server then,
--   e open epoch (id 4, bits 1, until 6, count 4, opened 6), x closed epochs (id 4, bits 1, until 6 each).
-- The client reads the first eleven as they are.
local function dec(x) return string.format('%.0f', x) end

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- reigns is the line of this primary, from INFO replication; latest the one that opened last (R3).
local function reigns(info)
  return math.max(tonumber(string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)'), 16), 1)
end

local function latest(lines)
  local line = struct.unpack('>I4', lines, #lines - 15)
  return line
end

-- opened returns lines with one more, which begins at the last beat of the primary before. 32 are kept.
local function opened(lines, line, start, ms)
  return string.sub(lines .. struct.pack('>I4I6I6', line, start, ms), -512)
end

local function evictions(info)
  return tonumber(string.match(info, 'evicted_keys:(%d+)'))
end

-- guard returns the head as it stands, or nil and why this is not the list asked for.
local function guard(genesis)
  local h = redis.call('HMGET', KEYS[1], 'v', 'g', 'k', 'b', 'n', 'ms', 'c', 'f', 'l', 'r', 'kn', 't', 'm', 'ev')
  if not h[2] or redis.call('EXISTS', KEYS[2]) == 0 then return nil, redis.error_reply('LOST head or log is gone') end
  if h[1] ~= '1' then return nil, redis.error_reply('LAYOUT ' .. tostring(h[1])) end
  if genesis and h[2] ~= genesis then return nil, redis.error_reply('GENESIS another list') end
  return h
end

-- writable says whether this server takes writes, and by which error not. It comes before any other write: a write
-- that needs no memory lets those after it through where maxmemory is reached.
local function writable()
  local p = redis.pcall('PERSIST', KEYS[1])
  return not (type(p) == 'table' and p.err), p
end
