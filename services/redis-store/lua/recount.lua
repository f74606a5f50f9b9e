-- Recomputes a task's counters, status, times and index places from its records alone: the first half of a rebuild.
-- KEYS  task, outcomes, lifetimes, tasks:queued, tasks:processing, tasks:completed, tasks:failed, tasks:cancelled
-- ARGV  task_id, task_ttl_ms
-- Answers recounted · gone (no such task)
local task, outcomes, lifetimes = KEYS[1], KEYS[2], KEYS[3]
local index_of = {
  queued = KEYS[4], processing = KEYS[5], completed = KEYS[6], failed = KEYS[7], cancelled = KEYS[8],
}
local task_id, task_ttl_ms = ARGV[1], tonumber(ARGV[2])

local total, created_at = unpack(redis.call('HMGET', task, 'total', 'created_at'))
if not total then return 'gone' end
redis.call('ZCARD', lifetimes)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end

local sums, updated_at, outcome_at, moved = { completed = 0, failed = 0, cancelled = 0 }, tonumber(created_at), 0, false
local kept = redis.call('HGETALL', outcomes)
for i = 1, #kept, 2 do
  local field, value = kept[i], kept[i + 1]
  if string.find(field, '^%d+$') then
    local outcome, ms = string.match(value, '^(%l+) %d+ %d+ (%d+)')
    if sums[outcome] then
      sums[outcome], moved = sums[outcome] + 1, true
      updated_at, outcome_at = math.max(updated_at, tonumber(ms)), math.max(outcome_at, tonumber(ms))
    end
  elseif string.sub(field, 1, 1) == '~' then
    local ms, fact = string.match(value, '^%d+ %d+ %d+ (%d+) (%S+)')
    if ms then
      updated_at = math.max(updated_at, tonumber(ms))
      moved = moved or fact == 'started' or fact == 'retrying'
    end
  end
end
local status = moved and 'processing' or 'queued'
redis.call('HDEL', task, 'finished_at')
local finished = {}
if sums.completed + sums.failed + sums.cancelled == tonumber(total) then
  status = sums.failed > 0 and 'failed' or sums.cancelled > 0 and 'cancelled' or 'completed'
  finished = { 'finished_at', string.format('%.0f', outcome_at) }
  redis.call('ZADD', lifetimes, string.format('%.0f', outcome_at + task_ttl_ms), task_id)
end
redis.call('HSET', task, 'status', status, 'completed', sums.completed, 'failed', sums.failed, 'cancelled',
  sums.cancelled, 'updated_at', string.format('%.0f', updated_at), 'outcome_at', string.format('%.0f', outcome_at),
  unpack(finished))
redis.call('HINCRBY', task, 'revision', 1)
for name, index in pairs(index_of) do
  if name ~= status then redis.call('ZREM', index, task_id) end
end
redis.call('ZADD', index_of[status], created_at, task_id)
return 'recounted'
