-- Recomputes a task's counters, status, times and index places from its records alone, its place in `lifetimes` among
-- them: the first half of a rebuild.
-- What runs again has run before, whatever the log still tells; what was told of a place that is over is gone.
-- KEYS  task, outcomes, lifetimes, tasks:queued, tasks:processing, tasks:completed, tasks:failed, tasks:cancelled
-- ARGV  task_id, task_ttl_ms
-- Answers recounted · gone (no such task)
local task, outcomes, lifetimes = KEYS[1], KEYS[2], KEYS[3]
local index_of = {
  queued = KEYS[4], processing = KEYS[5], completed = KEYS[6], failed = KEYS[7], cancelled = KEYS[8],
}
local task_id, task_ttl_ms = ARGV[1], number(ARGV[2], nil, ms_max)

if not task_ttl_ms then return refuse('task_ttl_ms') end
local head = redis.call('HMGET', task, 'total', 'created_at', 'revision', 'deadline_at')
local total, created_at = number(head[1], nil, subtasks_max), number(head[2], nil, ms_max)
if not head[1] then return 'gone' end
if not total or not created_at then return redis.error_reply('ERR total or created_at is not a number') end
redis.call('ZCARD', lifetimes)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end

local sums, updated_at, outcome_at, moved = { completed = 0, failed = 0, cancelled = 0 }, created_at, 0, false
local flat, kept, over, generations = redis.call('HGETALL', outcomes), {}, {}, nil
for i = 1, #flat, 2 do kept[flat[i]] = flat[i + 1] end
local function current(index) return current_generation(kept[string.format('g:%.0f', index)]) end
for field, value in pairs(kept) do
  local index, generation = string.match(field, '^(%d+)@?(%d*)$')
  local told, opened = string.match(field, '^~(%d+)$'), string.match(field, '^g:(%d+)$')
  index, generation = number(index or nil), number(generation ~= '' and generation or '0')
  if index and index < total and generation and field == record_field(index, generation) then
    local outcome, ms = string.match(value, '^(%l+) %d+ %d+ (%d+)')
    ms = number(ms, nil, ms_max)
    if ms and sums[outcome] and generation <= current(index) then
      moved, updated_at, outcome_at = true, math.max(updated_at, ms), math.max(outcome_at, ms)
      if generation == current(index) then sums[outcome] = sums[outcome] + 1 end
    end
  elseif told and tonumber(told) < total then
    local of, ms, fact = string.match(value, '^(%d+) %d+ %d+ (%d+) (%S+)')
    told, of, ms = tonumber(told), number(of), number(ms, nil, ms_max)
    if of and ms then
      updated_at = math.max(updated_at, ms)
      moved = moved or fact == 'started' or fact == 'retrying'
      if of < current(told) or kept[record_field(told, of)] then over[#over + 1] = field end
    end
  elseif opened and number(value) then
    generations = 1
    moved = moved or tonumber(opened) < total and number(value) > 0
  end
end
local status, finished = moved and 'processing' or 'queued', {}
local ends_at = number(head[4] or nil, nil, ms_max)
redis.call('HDEL', task, 'finished_at')
for _, field in ipairs(over) do redis.call('HDEL', outcomes, field) end
if generations then finished = { 'generations', 1 } end
if sums.completed + sums.failed + sums.cancelled == total then
  status = sums.failed > 0 and 'failed' or sums.cancelled > 0 and 'cancelled' or 'completed'
  finished[#finished + 1], finished[#finished + 2] = 'finished_at', string.format('%.0f', outcome_at)
  ends_at = outcome_at + task_ttl_ms
end
if ends_at then redis.call('ZADD', lifetimes, string.format('%.0f', ends_at), task_id) end
redis.call('HSET', task, 'status', status, 'completed', sums.completed, 'failed', sums.failed, 'cancelled',
  sums.cancelled, 'updated_at', string.format('%.0f', updated_at), 'outcome_at', string.format('%.0f', outcome_at),
  'revision', (number(head[3], 0, ms_max) or 0) + 1, unpack(finished))
for name, index in pairs(index_of) do
  if name ~= status then redis.call('ZREM', index, task_id) end
end
redis.call('ZADD', index_of[status], created_at, task_id)
return 'recounted'
