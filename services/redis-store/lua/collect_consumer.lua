-- Removes a dead worker's consumer, but never one that still holds entries: DELCONSUMER would lose them.
-- KEYS  worker (its heartbeat: a hash that expires 60 s after the last beat; one that never does is left of a beat that
--       was cut off, and goes with the consumer), workers, then the streams
-- ARGV  group, consumer
-- Answers removed · busy (it beats, or something is pending)
local worker, workers = KEYS[1], KEYS[2]
local group, consumer = ARGV[1], ARGV[2]

redis.call('ZCARD', workers)
if redis.call('PTTL', worker) > 0 then return 'busy' end
local known = {}
for i = 3, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[i], group, '-', '+', 1, consumer)
  if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
  if not pending.err then
    if #pending > 0 then return 'busy' end
    known[#known + 1] = KEYS[i]
  end
end
for _, stream in ipairs(known) do redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer) end
redis.call('DEL', worker)
redis.call('ZREM', workers, consumer)
return 'removed'
