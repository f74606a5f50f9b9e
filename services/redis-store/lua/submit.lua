-- Accepts a task: its hash, one work entry for each subtask, the indexes, the fact `created`, the bells; or nothing.
-- KEYS  task, events, tasks, tasks:queued, lifetimes, queues, then for each queue: bell and its four streams
-- ARGV  by, task_id, deadline_ms (from now), backlog_max, counts of queues, hash fields, shapes and subtasks; then the
--       queue names; the hash fields (name, value); the shapes (queue no, priority no, kind, priority, max_attempts,
--       timeout_ms); the subtasks in the order of their index (shape no, description, payload)
-- Answers created · existing (the id is taken: a resend) · overloaded (a queue would exceed backlog_max)
-- Refuses a plan without subtasks, ids beyond 64 characters and payloads beyond 64 KiB: no reader would take them.
local task, events, tasks, queued, lifetimes, queues = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local by, task_id, deadline_ms, backlog_max = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local queue_count, field_count = tonumber(ARGV[5]), tonumber(ARGV[6])
local shape_count, subtask_count = tonumber(ARGV[7]), tonumber(ARGV[8])

if redis.call('EXISTS', task) == 1 then return 'existing' end
redis.call('XLEN', events)
redis.call('SCARD', queues)
for _, index in ipairs({ tasks, queued, lifetimes }) do redis.call('ZCARD', index) end

local at = 8
local names, bells, streams, backlog, added = {}, {}, {}, {}, {}
for q = 1, queue_count do
  local first = 6 + (q - 1) * 5
  names[q], bells[q], streams[q], backlog[q], added[q] = ARGV[at + q], KEYS[first + 1], {}, 0, 0
  redis.call('LLEN', bells[q])
  for p = 1, 4 do
    streams[q][p] = KEYS[first + 1 + p]
    backlog[q] = backlog[q] + redis.call('XLEN', streams[q][p])
  end
end
at = at + queue_count
local fields = { unpack(ARGV, at + 1, at + 2 * field_count) }
at = at + 2 * field_count
local shapes = {}
for s = 1, shape_count do
  local q, p, kind, priority, max_attempts, timeout_ms = unpack(ARGV, at + 1, at + 6)
  shapes[s] = {
    q = tonumber(q), stream = streams[tonumber(q)][tonumber(p)], kind = kind, priority = priority,
    max_attempts = max_attempts, timeout_ms = timeout_ms,
  }
  at = at + 6
end
if subtask_count < 1 or #task_id + 1 + #tostring(subtask_count - 1) > 64 then return refuse('ids') end
for i = 0, subtask_count - 1 do
  local q = shapes[tonumber(ARGV[at + 3 * i + 1])].q
  added[q] = added[q] + 1
  if #ARGV[at + 3 * i + 3] > 65536 then return refuse('payload ' .. i) end
end
for q = 1, queue_count do
  if backlog[q] + added[q] > backlog_max then return 'overloaded' end
end

local now = now_ms()
for _, text in ipairs({ 'status', 'queued', 'total', subtask_count, 'completed', 0, 'failed', 0, 'cancelled', 0,
  'created_at', now, 'updated_at', now, 'revision', 1 }) do
  fields[#fields + 1] = text
end
redis.call('HSET', task, unpack(fields))
for i = 0, subtask_count - 1 do
  local shape, description, payload = shapes[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3]
  redis.call('XADD', shape.stream, '*', 'v', '1', 'task_id', task_id, 'subtask_id', task_id .. '-' .. i, 'index', i,
    'generation', '0', 'kind', shape.kind, 'description', description, 'priority', shape.priority, 'attempt', '1',
    'crashes', '0', 'max_attempts', shape.max_attempts, 'timeout_ms', shape.timeout_ms, 'payload', payload)
  at = at + 3
end
redis.call('ZADD', tasks, now, task_id)
redis.call('ZADD', queued, now, task_id)
redis.call('ZADD', lifetimes, now + deadline_ms, task_id)
redis.call('SADD', queues, unpack(names))
append_facts(events, by, { string.format('%s - 0 created 0 0 %s %s', task_id, by, now) })
for q = 1, queue_count do ring(bells[q], added[q]) end
return 'created'
