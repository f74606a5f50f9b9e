-- Moves what is due from `delayed` into its stream, and wakes workers for it.
-- KEYS  delayed, delayed:body, dead-letters, meta, then for each queue: bell and its four streams
-- ARGV  by, count (members at most), dead_letters_max, count of queues, then the queue names
-- Answers promoted, moved, malformed (members without a body that can be run: dead letters), ms until the next is due
--       ('' if none waits, 0 if more is due); or keys_missing, the queue whose keys were not given (nothing was
--       written)
-- Appends nothing. While Redis is out of memory it is refused whole and what is due waits.
local delayed, bodies, dead_letters, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local by, count, dead_letters_max, queue_count = ARGV[1], number(ARGV[2], nil, 1000), ARGV[3], number(ARGV[4])

if not (is_consumer(by) and count and number(dead_letters_max) and queue_count) or #KEYS ~= 4 + 5 * queue_count
  or #ARGV ~= 4 + queue_count then
  return refuse('by, count, bound or keys')
end
redis.call('XLEN', dead_letters)
redis.call('HLEN', meta)
local queues = queues_of(5, queue_count, 5)
for _, queue in pairs(queues) do guard_queue(queue) end
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, count)
local texts = #due > 0 and redis.call('HMGET', bodies, unpack(due)) or {}
local items = {}
for i, subtask_id in ipairs(due) do
  local queue, fields, rank = unpack_body(texts[i])
  if queue and not queues[queue] then return { 'keys_missing', queue } end
  items[i] = { id = subtask_id, queue = queues[queue or ''], fields = fields, rank = rank, text = texts[i] or '' }
end

local moved, malformed = 0, 0
for _, item in ipairs(items) do
  if item.queue then
    redis.call('XADD', item.queue.streams[item.rank], '*', unpack(item.fields))
    item.queue.added, moved = item.queue.added + 1, moved + 1
  else
    add_dead_letter(dead_letters, meta, dead_letters_max, 'malformed', '', by, delayed .. ' ' .. item.id,
      { 'body', item.text })
    malformed = malformed + 1
  end
end
if #due > 0 then
  redis.call('ZREM', delayed, unpack(due))
  redis.call('HDEL', bodies, unpack(due))
end
for _, queue in pairs(queues) do ring(queue.bell, queue.added) end
local next_due = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
local wait_ms = next_due and string.format('%.0f', math.min(math.max(0, tonumber(next_due) - now), ms_max)) or ''
return { 'promoted', moved, malformed, wait_ms }
