-- Opens a new generation of subtasks that have ended, all of them or none: their records go back to the counters, the task
-- is open again, what is ready is added and what depends on another waits in the plan.
-- KEYS  task, outcomes, plan, events, lifetimes, cancelled, dead-letters, tasks:queued, tasks:processing, tasks:completed,
--       tasks:failed, tasks:cancelled, then for each queue: bell and its four streams, then a result key for each item
-- ARGV  by, task_id, deadline_ms (from now), dead letter id ('' for none), counts of queues and items; the queue names; for
--       each item a JSON list: index, the generation it replaces, queue, rank of priority, then names and values of its
--       entry but for generation, attempt and crashes; then for each item its out-edges, as `<index>:<on_failure> …`
-- Answers requeued · gone (a generation is not the current one, or has not ended, or there is no such task or letter)
-- Appends the fact `requeued` for each.
local task, outcomes, plan, events, lifetimes, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local dead_letters = KEYS[7]
local index_of = {
  queued = KEYS[8], processing = KEYS[9], completed = KEYS[10], failed = KEYS[11], cancelled = KEYS[12],
}
local by, task_id, deadline_ms, letter_id = ARGV[1], ARGV[2], number(ARGV[3], nil, 999999999999999), ARGV[4]
local queue_count, item_count = tonumber(ARGV[5]), tonumber(ARGV[6])

local book = read_task(task)
if not book then return 'gone' end
redis.call('XLEN', events)
redis.call('HLEN', plan)
redis.call('ZCARD', lifetimes)
redis.call('ZCARD', cancelled)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end
local queues, first_result = queues_of(7, queue_count, 13), 12 + 5 * queue_count
for _, queue in pairs(queues) do guard_queue(queue) end
if not (is_consumer(by) and deadline_ms and index_of[book.status]) or #KEYS ~= first_result + item_count then
  return refuse('by, deadline, status or counts')
end
local items, again = {}, {}
for i = 1, item_count do
  local item = cjson.decode(ARGV[6 + queue_count + i])
  local index, generation, queue, rank = unpack(item, 1, 4)
  local record = redis.call('HGET', outcomes, record_field(index, generation))
  local current = number(redis.call('HGET', outcomes, string.format('g:%.0f', index)) or '0')
  if not record or current ~= generation or index >= book.total then return 'gone' end
  items[i] = {
    index = index, generation = generation + 1, queue = queues[queue], name = queue, rank = rank,
    outcome = string.match(record, '^%l+'), fields = { unpack(item, 5) }, edges = ARGV[6 + queue_count + item_count + i],
  }
  again[index] = true
  if not items[i].queue or not is_terminal[items[i].outcome] or #items[i].fields % 2 == 1 then return refuse('item ' .. i) end
end
-- What an item waits for: parents that run again, and parents that have not ended.
local function awaited(item)
  local at, waits = place_of(item.fields, 'parents'), {}
  for index in string.gmatch(at and item.fields[at] or '', '=(%d+):') do
    local generation = redis.call('HGET', outcomes, 'g:' .. index) or '0'
    local ended = redis.call('HEXISTS', outcomes, record_field(tonumber(index), tonumber(generation))) == 1
    if again[tonumber(index)] or not ended then waits[#waits + 1] = index end
  end
  return waits
end
for _, item in ipairs(items) do item.waits = awaited(item) end

if letter_id ~= '' and redis.call('XDEL', dead_letters, letter_id) == 0 then return 'gone' end
local now, lines, named = now_ms(), {}, {}
for name in string.gmatch(redis.call('HGET', plan, 'queues') or '', '%S+') do named[name] = true end
local has_plan = next(named) ~= nil
for i, item in ipairs(items) do
  local it = { task = task_id, index = item.index, generation = item.generation, attempt = 1 }
  lines[#lines + 1] = fact_line(it, 'requeued', 0, by, now)
  book[item.outcome] = book[item.outcome] - 1
  redis.call('HSET', outcomes, string.format('g:%.0f', item.index), string.format('%.0f', item.generation))
  redis.call('UNLINK', KEYS[first_result + i])
  set_field(item.fields, 'generation', string.format('%.0f', item.generation))
  if item.edges ~= '' then
    redis.call('HSET', plan, string.format('e:%.0f', item.index), item.edges)
    has_plan = true
  end
  if #item.waits > 0 then
    redis.call('HSET', plan, string.format('b:%.0f', item.index), pack_body(item.name, item.fields),
      string.format('w:%.0f', item.index), ',' .. table.concat(item.waits, ',') .. ',')
    named[item.name], has_plan = true, true
  else
    redis.call('XADD', item.queue.streams[item.rank], '*', unpack(item.fields))
    item.queue.added = item.queue.added + 1
  end
end
if has_plan then
  local names = {}
  for name in pairs(named) do names[#names + 1] = name end
  table.sort(names)
  redis.call('HSET', plan, 'queues', table.concat(names, ' '))
end
redis.call('ZREM', cancelled, task_id)
redis.call('ZADD', lifetimes, string.format('%.0f', now + deadline_ms), task_id)
redis.call('HDEL', task, 'finished_at')
redis.call('HSET', task, 'status', 'processing', 'completed', book.completed, 'failed', book.failed, 'cancelled',
  book.cancelled, 'updated_at', string.format('%.0f', math.max(book.updated_at, now)), 'revision',
  string.format('%.0f', book.revision + 1), 'generations', 1, 'deadline_at', string.format('%.0f', now + deadline_ms))
redis.call('ZREM', index_of[book.status], task_id)
redis.call('ZADD', index_of.processing, book.created_at, task_id)
append_facts(events, by, lines)
for _, queue in pairs(queues) do ring(queue.bell, queue.added) end
return 'requeued'
