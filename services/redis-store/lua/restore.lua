-- Gives subtasks without a token one again, and puts the plan of their task right: what may run goes into its stream,
-- what is not due into `delayed`, what waits for others into the plan. Only if nothing has happened to the task since
-- the caller looked.
-- KEYS  task, plan, events, delayed, delayed:body, then for each queue: bell and its four streams
-- ARGV  by, task_id, revision (that the caller saw), counts of queues, ready entries, delayed members, fields of the
--       plan that go and fields that are set; the queue names; for each ready entry a JSON list: queue, rank of
--       priority, then names and values of its entry; for each delayed member: subtask id, due ms, body; the fields
--       that go; the fields that are set (name, value)
-- Answers restored · moved (something happened to the task, or it is gone, or one of them waits in `delayed`: it was
--       parked after the caller looked; nothing was written)
-- Appends the fact `returned` for each ready entry, and wakes a worker for each. It moves the revision: called twice,
-- it answers moved the second time.
local task, plan, events, delayed, bodies = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local by, task_id, revision = ARGV[1], ARGV[2], ARGV[3]
local queue_count, ready_count, delayed_count = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local gone_count, set_count = tonumber(ARGV[7]), tonumber(ARGV[8])

redis.call('XLEN', events)
redis.call('HLEN', plan)
redis.call('ZCARD', delayed)
redis.call('HLEN', bodies)
local queues = queues_of(9, queue_count, 6)
for _, queue in pairs(queues) do guard_queue(queue) end
local at = 8 + queue_count
local expected = at + ready_count + 3 * delayed_count + gone_count + 2 * set_count
if not is_consumer(by) or #ARGV ~= expected then return refuse('by or counts') end
local ready = {}
for i = 1, ready_count do
  local item = cjson.decode(ARGV[at + i])
  local fields = { unpack(item, 3) }
  ready[i] = { queue = queues[item[1]], rank = item[2], fields = fields, it = identify(fields) }
  if not (ready[i].queue and ready[i].it and ready[i].it.task == task_id) then return refuse('entry ' .. i) end
end
at = at + ready_count
local waiting = {}
for i = 1, delayed_count do
  local subtask_id, due_ms, body = unpack(ARGV, at + 1, at + 3)
  if not (token(subtask_id) and number(due_ms, nil, 999999999999999)) then return refuse('member ' .. i) end
  waiting[i], at = { subtask_id, due_ms, body }, at + 3
end
if redis.call('HGET', task, 'revision') ~= revision then return 'moved' end
for _, member in ipairs(waiting) do
  if redis.call('ZSCORE', delayed, member[1]) then return 'moved' end
end
for _, item in ipairs(ready) do
  if redis.call('ZSCORE', delayed, item.fields[place_of(item.fields, 'subtask_id')]) then return 'moved' end
end

local now, lines = now_ms(), {}
redis.call('HSET', task, 'revision', string.format('%.0f', tonumber(revision) + 1))
for i = at + 1, at + gone_count do redis.call('HDEL', plan, ARGV[i]) end
for i = at + gone_count + 1, #ARGV, 2 do redis.call('HSET', plan, ARGV[i], ARGV[i + 1]) end
for _, member in ipairs(waiting) do
  redis.call('HSET', bodies, member[1], member[3])
  redis.call('ZADD', delayed, member[2], member[1])
end
for _, item in ipairs(ready) do
  redis.call('XADD', item.queue.streams[item.rank], '*', unpack(item.fields))
  item.queue.added = item.queue.added + 1
  lines[#lines + 1] = fact_line(item.it, 'returned', item.it.crashes, by, now)
end
append_facts(events, by, lines)
for _, queue in pairs(queues) do ring(queue.bell, queue.added) end
return 'restored'
