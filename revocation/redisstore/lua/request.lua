-- Requests: the reply to a numbered write is kept for a minute, so that the write can be sent again
-- if its reply was lost (R29).
local function requestKey(number) return base .. 'q:' .. number end

-- answered returns the first reply to a write, or nil. It writes something, so that WAIT has a
-- write to wait for (R7).
local function answered(number)
  if number == '' then return nil end
  local raw = looked('GET', requestKey(number))
  if not raw then
    if raw == nil then broken(requestKey(number)) end
    return nil
  end
  local ok, reply = pcall(cmsgpack.unpack, raw)
  if not ok then broken(requestKey(number)) end
  redis.call('HSET', KEYS[1], 'v', '1')
  return reply
end

local function remember(p, number, reply)
  if number ~= '' then later(p, 'SET', requestKey(number), cmsgpack.pack(reply), 'PX', 60000) end
end
