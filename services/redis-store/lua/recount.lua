-- Recomputes a task's counters, status, times and index places from its records alone: the first half of a rebuild.
-- KEYS  task, outcomes, lifetimes, tasks:queued, tasks:processing, tasks:completed, tasks:failed, tasks:cancelled
-- ARGV  task_id, task_ttl_ms
-- Answers recounted · gone (no such task)
local task, outcomes, lifetimes = KEYS[1], KEYS[2], KEYS[3]
local index_of = {
  queued = KEYS[4], processing = KEYS[5], completed = KEYS[6], failed = KEYS[7], cancelled = KEYS[8],
}
local task_id, task_ttl_ms = ARGV[1], tonumber(ARGV[2])

local head = redis.call('HMGET', task, 'total', 'created_at', 'revision')
local total, created_at = number(head[1]), number(head[2], 0, 999999999999999)
if not head[1] then return 'gone' end
if not total or not created_at then return redis.error_reply('ERR total or created_at is not a number') end
redis.call('ZCARD', lifetimes)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end

local sums, updated_at, outcome_at, moved = { completed = 0, failed = 0, cancelled = 0 }, created_at, 0, false
local kept = redis.call('HGETALL', outcomes)
for i = 1, #kept, 2 do
  local field, value = kept[i], kept[i + 1]
  local index = tonumber(string.match(field, '^~?(%d+)$'))
  if not index or index >= total then -- another generation's, or nobody's
  elseif string.sub(field, 1, 1) ~= '~' then
    local outcome, ms = string.match(value, '^(%l+) %d+ %d+ (%d+)')
    if sums[outcome] then
      sums[outcome], moved = sums[outcome] + 1, true
      updated_at, outcome_at = math.max(updated_at, tonumber(ms)), math.max(outcome_at, tonumber(ms))
    end
  else
    local ms, fact = string.match(value, '^%d+ %d+ %d+ (%d+) (%S+)')
    if ms then
      updated_at = math.max(updated_at, tonumber(ms))
      moved = moved or fact == 'started' or fact == 'retrying'
    end
  end
end
local status, finished = moved and 'processing' or 'queued', {}
redis.call('HDEL', task, 'finished_at')
if sums.completed + sums.failed + sums.cancelled == total then
  status = sums.failed > 0 and 'failed' or sums.cancelled > 0 and 'cancelled' or 'completed'
  finished = { 'finished_at', string.format('%.0f', outcome_at) }
  redis.call('ZADD', lifetimes, string.format('%.0f', outcome_at + task_ttl_ms), task_id)
end
redis.call('HSET', task, 'status', status, 'completed', sums.completed, 'failed', sums.failed, 'cancelled',
  sums.cancelled, 'updated_at', string.format('%.0f', updated_at), 'outcome_at', string.format('%.0f', outcome_at),
  'revision', (number(head[3], 0, 999999999999999) or 0) + 1, unpack(finished))
for name, index in pairs(index_of) do
  if name ~= status then redis.call('ZREM', index, task_id) end
end
redis.call('ZADD', index_of[status], created_at, task_id)
return 'recounted'
