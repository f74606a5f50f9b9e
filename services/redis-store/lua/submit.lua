-- Accepts a task: its hash, one work entry for each subtask that may run now, the others in `delayed` or in the plan,
-- the indexes, the fact `created`, the bells; or nothing.
-- KEYS  task, outcomes, plan, events, tasks, tasks:queued, lifetimes, queues, delayed, delayed:body, idempotency, then
--       for each queue: bell and its four streams
-- ARGV  by, task_id, delay_ms, run_at_ms (0 and 0: now), deadline_ms (from when it may run), has_deadline ('1': the
--       client asked for it; the hash keeps it and entries carry it), backlog_max, fingerprint ('' without an
--       idempotency key), idempotency_seconds, counts of queues, hash fields, shapes and subtasks; then the queue
--       names; the hash fields (name, value); the shapes (queue no, priority no, kind, priority, max_attempts,
--       timeout_ms, JSON list of further names and values); the subtasks in the order of their index (shape no,
--       description, payload); last a JSON object from index to what it depends on
-- Answers created · existing, the id of the task (the id is taken, or the key with the same fingerprint: a resend) ·
--       conflict (the key was used for something else) · overloaded (a queue would exceed backlog_max)
-- Refuses a plan without subtasks, ids beyond 64 characters and payloads beyond 64 KiB: no reader would take them.
local KEYS, ARGV = KEYS, ARGV -- a global is looked up at each use
local task, outcomes, plan, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local tasks, queued, lifetimes, queues = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local delayed, bodies, idempotency = KEYS[9], KEYS[10], KEYS[11]
local by, task_id, delay_ms, run_at_ms = ARGV[1], ARGV[2], number(ARGV[3], nil, ms_max), number(ARGV[4], nil, ms_max)
local deadline_ms, has_deadline, backlog_max = number(ARGV[5], nil, ms_max), ARGV[6] == '1', tonumber(ARGV[7])
local fingerprint, idempotency_seconds = ARGV[8], ARGV[9]
local queue_count, field_count = number(ARGV[10]), number(ARGV[11])
local shape_count, subtask_count = number(ARGV[12]), number(ARGV[13], nil, 1000)

local counted = queue_count and field_count and shape_count and subtask_count and #KEYS == 11 + 5 * queue_count
  and #ARGV == 14 + queue_count + 2 * field_count + 7 * shape_count + 3 * subtask_count
if not (counted and is_consumer(by) and delay_ms and run_at_ms and deadline_ms and backlog_max) then
  return refuse('by, times or counts')
end
if fingerprint ~= '' and (number(idempotency_seconds, 0) or 0) == 0 then return refuse('idempotency_seconds') end
if fingerprint ~= '' then
  local known, print = string.match(redis.call('GET', idempotency) or '', '^(%S+) (%S+)$')
  if known then return { print == fingerprint and 'existing' or 'conflict', known } end
end
if redis.call('EXISTS', task) == 1 then return { 'existing', task_id } end
redis.call('XLEN', events)
redis.call('SCARD', queues)
redis.call('HLEN', outcomes)
redis.call('HLEN', plan)
redis.call('HLEN', bodies)
for _, index in ipairs({ tasks, queued, lifetimes }) do redis.call('ZCARD', index) end

local at, waiting = 13, redis.call('ZCARD', delayed)
local names, bells, streams, backlog, added = {}, {}, {}, {}, {}
for q = 1, queue_count do
  local first = 11 + (q - 1) * 5
  names[q], bells[q], streams[q], backlog[q], added[q] = ARGV[at + q], KEYS[first + 1], {}, waiting, 0
  redis.call('LLEN', bells[q])
  for p = 1, 4 do
    streams[q][p] = KEYS[first + 1 + p]
    backlog[q] = backlog[q] + redis.call('XLEN', streams[q][p])
  end
end
at = at + queue_count
local fields = { unpack(ARGV, at + 1, at + 2 * field_count) }
at = at + 2 * field_count
local shapes = {} -- by their number as text, as the subtasks name them: Lua is slow to turn one into the other
for s = 1, shape_count do
  local q, p, kind, priority, max_attempts, timeout_ms, more = unpack(ARGV, at + 1, at + 7)
  local shape = {
    q = tonumber(q), stream = (streams[tonumber(q) or 0] or {})[tonumber(p) or 0], kind = kind, priority = priority,
    max_attempts = max_attempts, timeout_ms = timeout_ms, more = more == '[]' and {} or cjson.decode(more),
  }
  if not shape.stream or #shape.more % 2 == 1 then return refuse('shape ' .. s) end
  shapes[tostring(s)] = shape
  at = at + 7
end
if subtask_count < 1 or #task_id + 1 + #tostring(subtask_count - 1) > 64 then return refuse('ids') end
for i = 0, subtask_count - 1 do
  local shape = shapes[ARGV[at + 3 * i + 1]]
  if not shape or #ARGV[at + 3 * i + 3] > 65536 then return refuse('shape or payload of ' .. i) end
  added[shape.q] = added[shape.q] + 1
end
for q = 1, queue_count do
  if backlog[q] + added[q] > backlog_max then return { 'overloaded' } end
end
local dependencies, waits_of, edges = ARGV[at + 3 * subtask_count + 1], {}, {}
local parents_of = dependencies == '{}' and {} or cjson.decode(dependencies)
local has_parents = next(parents_of) ~= nil
for i = 0, has_parents and subtask_count - 1 or -1 do
  local parents, waits = parents_of[tostring(i)], {}
  if parents == '' or not is_parents(parents) then return refuse('parents of ' .. i) end
  for parent, on_failure in string.gmatch(parents or '', '=(%d+):([%l_]+)') do
    parent = tonumber(parent)
    if parent >= subtask_count or parent == i then return refuse('parents of ' .. i) end
    waits[#waits + 1] = parent
    edges[parent] = edges[parent] or {}
    table.insert(edges[parent], i .. ':' .. on_failure)
  end
  waits_of[i] = ',' .. table.concat(waits, ',') .. ','
end

local now = now_ms()
local starts_at = delay_ms > 0 and now + delay_ms or math.max(run_at_ms, tonumber(now))
local is_delayed = starts_at > tonumber(now)
local deadline_at = string.format('%.0f', starts_at + deadline_ms)
for _, text in ipairs({ 'status', 'queued', 'total', subtask_count, 'completed', '0', 'failed', '0', 'cancelled', '0',
  'created_at', now, 'updated_at', now, 'deadline_at', deadline_at, 'revision', '1' }) do
  fields[#fields + 1] = text
end
if has_deadline then
  fields[#fields + 1], fields[#fields + 2] = 'deadline_after_ms', string.format('%.0f', deadline_ms)
end
if is_delayed then fields[#fields + 1], fields[#fields + 2] = 'run_at', string.format('%.0f', starts_at) end
redis.call('HSET', task, unpack(fields))
local rung = {}
for i = 0, subtask_count - 1 do
  local shape, description, payload, index = shapes[ARGV[at + 1]], ARGV[at + 2], ARGV[at + 3], tostring(i)
  local subtask_id, parents = task_id .. '-' .. index, has_parents and parents_of[index]
  if not parents and not is_delayed and not has_deadline and #shape.more == 0 then
    redis.call('XADD', shape.stream, '*', 'v', '1', 'task_id', task_id, 'subtask_id', subtask_id, 'index', index,
      'generation', '0', 'kind', shape.kind, 'description', description, 'priority', shape.priority, 'attempt', '1',
      'crashes', '0', 'max_attempts', shape.max_attempts, 'timeout_ms', shape.timeout_ms, 'payload', payload)
    rung[shape.q] = (rung[shape.q] or 0) + 1
  else
    local entry = { 'v', '1', 'task_id', task_id, 'subtask_id', subtask_id, 'index', index, 'generation', '0',
      'kind', shape.kind, 'description', description, 'priority', shape.priority, 'attempt', '1', 'crashes', '0',
      'max_attempts', shape.max_attempts, 'timeout_ms', shape.timeout_ms, 'payload', payload }
    if has_deadline then entry[#entry + 1], entry[#entry + 2] = 'deadline_ms', deadline_at end
    for _, text in ipairs(shape.more) do entry[#entry + 1] = text end
    if parents then
      local last = #entry
      if entry[last - 1] == 'traceparent' then -- `parents` stands before it: equal fields in one order compress
        entry[last - 1], entry[last], entry[last + 1], entry[last + 2] = 'parents', parents, 'traceparent', entry[last]
      else
        entry[last + 1], entry[last + 2] = 'parents', parents
      end
      redis.call('HSET', plan, 'b:' .. index, pack_body(names[shape.q], entry), 'w:' .. index, waits_of[i])
    elseif is_delayed then
      redis.call('HSET', bodies, subtask_id, pack_body(names[shape.q], entry))
      redis.call('ZADD', delayed, string.format('%.0f', starts_at), subtask_id)
    else
      redis.call('XADD', shape.stream, '*', unpack(entry))
      rung[shape.q] = (rung[shape.q] or 0) + 1
    end
  end
  at = at + 3
end
for parent, children in pairs(edges) do redis.call('HSET', plan, 'e:' .. parent, table.concat(children, ' ')) end
if next(edges) then redis.call('HSET', plan, 'queues', table.concat(names, ' ')) end
if fingerprint ~= '' then redis.call('SET', idempotency, task_id .. ' ' .. fingerprint, 'EX', idempotency_seconds) end
redis.call('ZADD', tasks, now, task_id)
redis.call('ZADD', queued, now, task_id)
redis.call('ZADD', lifetimes, deadline_at, task_id)
redis.call('SADD', queues, unpack(names))
append_facts(events, by, { string.format('%s - 0 created 0 0 %s %s', task_id, by, now) })
for q, count in pairs(rung) do ring(bells[q], count) end
return { 'created', task_id }
