-- KEYS[1] the owner's rows: a hash of JSON by id
-- ARGV    id, row, previous id or "", max
-- Times are ms in whole numbers of 13 digits, which Lua and cjson keep exactly.
local id, max = ARGV[1], tonumber(ARGV[4])
local d = cjson.decode(ARGV[2])
local others, last = {}, d.expires
local function keep(old)
  if d.name == '' then d.name = old.name end
end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local ok, row = pcall(cjson.decode, all[i + 1])
  if not ok or type(row) ~= 'table' or type(row.expires) ~= 'number' or type(row.began) ~= 'number' or type(row.login) ~= 'number'
    or type(row.seen) ~= 'number' or type(row.name) ~= 'string' then
    row = { expires = d.expires, began = 0, login = 0, seen = 0, name = '' } -- nobody can read it
  end
  if row.expires <= d.seen then
    redis.call('HDEL', KEYS[1], all[i]) -- it is over
  elseif all[i] == id then
    keep(row)
    d.seen, d.expires = math.max(d.seen, row.seen), math.max(d.expires, row.expires)
  elseif all[i] == ARGV[3] then
    keep(row)
    redis.call('HDEL', KEYS[1], all[i])
  else
    others[#others + 1] = { id = all[i], began = row.began, login = row.login }
    last = math.max(last, row.expires)
  end
end
redis.call('HSET', KEYS[1], id, cjson.encode(d))
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.max(last, d.expires)))
local excess = {}
if max > 0 then
  table.sort(others, function(a, b)
    if a.began ~= b.began then return a.began < b.began end
    if a.login ~= b.login then return a.login < b.login end
    return a.id < b.id
  end)
  for i = 1, #others - (max - 1) do excess[i] = others[i].id end
end
return excess
