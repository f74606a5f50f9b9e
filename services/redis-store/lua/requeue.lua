-- Opens a new generation of subtasks that have ended, all of them or none: their records go back to the counters, the
-- task is open again, what is ready is added and what depends on another waits in the plan. A task that has ended gets
-- a new deadline, as far from now as its client once asked for; an open one keeps its own.
-- KEYS  task, outcomes, plan, events, lifetimes, cancelled, dead-letters, tasks:queued, tasks:processing,
--       tasks:completed, tasks:failed, tasks:cancelled, then for each queue: bell and its four streams, then a result
--       key for each item
-- ARGV  by, task_id, deadline_ms (from now, for a task whose client asked for none), dead letter id ('' for none),
--       counts of queues and items; the queue names; for each item a JSON list: index, the generation it replaces,
--       queue, rank of priority, then names and values of its entry as a first attempt (its generation and its deadline
--       are set here); then for each item who depends on it, as `<index>:<on_failure> …`
-- Answers requeued · gone (a generation is not the current one, or has not ended, or depends on one that is left as it
--       ended and did not complete, or there is no such task or letter)
-- Appends the fact `requeued` for each.
local task, outcomes, plan, events, lifetimes, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local dead_letters = KEYS[7]
local index_of = {
  queued = KEYS[8], processing = KEYS[9], completed = KEYS[10], failed = KEYS[11], cancelled = KEYS[12],
}
local by, task_id, deadline_ms, letter_id = ARGV[1], ARGV[2], number(ARGV[3], nil, ms_max), ARGV[4]
local queue_count, item_count = number(ARGV[5]), number(ARGV[6], nil, subtasks_max)

local counted = is_consumer(by) and deadline_ms and (letter_id == '' or is_entry_id(letter_id)) and queue_count
  and item_count and item_count > 0 and #KEYS == 12 + 5 * queue_count + item_count
if not counted or #ARGV ~= 6 + queue_count + 2 * item_count then return refuse('by, deadline, letter or counts') end
local book = read_task(task)
if not book then return 'gone' end
if not index_of[book.status] then return refuse('status') end
redis.call('XLEN', events)
redis.call('XLEN', dead_letters)
redis.call('HLEN', plan)
redis.call('ZCARD', lifetimes)
redis.call('ZCARD', cancelled)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end
local queues, first_result = queues_of(7, queue_count, 13), 12 + 5 * queue_count
for _, queue in pairs(queues) do guard_queue(queue) end

-- An item as the call gives it; nil if it is none.
local function read_item(text, edges)
  local is_json, parts = pcall(cjson.decode, text)
  if not is_json or type(parts) ~= 'table' then return nil end
  local index, generation, queue, rank = unpack(parts, 1, 4)
  local fields = { unpack(parts, 5, math.min(#parts, 2 * fields_max + 4)) }
  for _, field in ipairs(fields) do
    if type(field) ~= 'string' then return nil end
  end
  local it = #fields % 2 == 0 and #fields == #parts - 4 and identify(fields)
  local sound = it and it.task == task_id and it.index == index and index < book.total and type(generation) == 'number'
    and queues[queue] and queues[queue].streams[rank]
  return sound and {
    index = index, replaced = generation, queue = queues[queue], name = queue, rank = rank, fields = fields,
    edges = edges,
  }
end

local items, again = {}, {}
for i = 1, item_count do
  local item = read_item(ARGV[6 + queue_count + i], ARGV[6 + queue_count + item_count + i])
  if not item or again[item.index] then return refuse('item ' .. i) end
  items[i], again[item.index] = item, true
end
for i, item in ipairs(items) do
  local record = redis.call('HGET', outcomes, record_field(item.index, item.replaced))
  local current = current_generation(redis.call('HGET', outcomes, string.format('g:%.0f', item.index)))
  item.outcome = record and string.match(record, '^%l+')
  if not is_terminal[item.outcome] or current ~= item.replaced then return 'gone' end
  item.generation = current + 1
end
if letter_id ~= '' and #redis.call('XRANGE', dead_letters, letter_id, letter_id) == 0 then return 'gone' end

-- How a parent has ended, false if it has not; each is asked once, however many depend on it.
local outcome_of = {}
local function ended_as(index)
  if outcome_of[index] == nil then
    local generation = current_generation(redis.call('HGET', outcomes, string.format('g:%.0f', index)))
    local record = redis.call('HGET', outcomes, record_field(index, generation))
    outcome_of[index] = record and (string.match(record, '^%l+') or '')
  end
  return outcome_of[index]
end

-- What an item waits for: parents that run again, and parents that have not ended; nil if another has ended so that the
-- item cannot start.
local function awaited(item)
  local at, waits = place_of(item.fields, 'parents'), {}
  for index, on_failure in string.gmatch(at and item.fields[at] or '', '=(%d+):([%l_]+)') do
    index = tonumber(index)
    local outcome = ended_as(index)
    if again[index] or not outcome then
      waits[#waits + 1] = string.format('%.0f', index)
    elseif on_failure ~= 'continue' and (outcome == 'failed' or outcome == 'cancelled') then
      return nil
    end
  end
  return waits
end
for _, item in ipairs(items) do
  item.waits = awaited(item)
  if not item.waits then return 'gone' end
end

local now, lines, named = now_ms(), {}, {}
local asked_ms, deadline_at = unpack(redis.call('HMGET', task, 'deadline_after_ms', 'deadline_at'))
asked_ms = number(asked_ms, nil, ms_max)
if is_terminal[book.status] then
  deadline_at = string.format('%.0f', now + (asked_ms or deadline_ms))
  redis.call('ZADD', lifetimes, deadline_at, task_id)
  redis.call('HSET', task, 'deadline_at', deadline_at)
end
local carries_deadline = asked_ms and number(deadline_at, nil, ms_max)
for name in string.gmatch(redis.call('HGET', plan, 'queues') or '', '%S+') do named[name] = true end
local has_plan = next(named) ~= nil
for i, item in ipairs(items) do
  local it = { task = task_id, index = item.index, generation = item.generation, attempt = 1 }
  lines[#lines + 1] = fact_line(it, 'requeued', 0, by, now)
  book[item.outcome] = book[item.outcome] - 1
  redis.call('HSET', outcomes, string.format('g:%.0f', item.index), string.format('%.0f', item.generation))
  redis.call('UNLINK', KEYS[first_result + i])
  set_field(item.fields, 'generation', string.format('%.0f', item.generation))
  if carries_deadline then set_field(item.fields, 'deadline_ms', deadline_at) end
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
if letter_id ~= '' then redis.call('XDEL', dead_letters, letter_id) end
-- The hint stays: what is left of the earlier generation asks for its record, and runs nothing.
if number(deadline_at, nil, ms_max) then redis.call('ZADD', cancelled, 'XX', 'GT', deadline_at, task_id) end
redis.call('HDEL', task, 'finished_at')
redis.call('HSET', task, 'status', 'processing', 'completed', book.completed, 'failed', book.failed, 'cancelled',
  book.cancelled, 'updated_at', string.format('%.0f', math.max(book.updated_at, now)), 'revision',
  string.format('%.0f', book.revision + 1), 'generations', 1)
redis.call('ZREM', index_of[book.status], task_id)
redis.call('ZADD', index_of.processing, book.created_at, task_id)
append_facts(events, by, lines)
for _, queue in pairs(queues) do ring(queue.bell, queue.added) end
return 'requeued'
