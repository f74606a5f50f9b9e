-- Folds facts into the tasks they are about and acknowledges the entries they came in. HSETNX of a terminal record is
-- the gate: a counter moves only when it answers 1, so order, repetition and parallel projectors change nothing.
-- KEYS  events, dead-letters, lifetimes, tasks:queued, tasks:processing, tasks:completed, tasks:failed,
--       tasks:cancelled, then for each task: task hash, outcomes hash
-- ARGV  group, by, task_ttl_ms, dead_letters_max, counts of entries, bad lines and tasks; the entry ids; the bad lines
--       (entry no, line); then for each task: task id, count of facts, and for each fact: index, fact, record or
--       progress, ms
-- Answers counted, progressed, duplicate, ignored (no such task or index, or a hash that is no task's)
local events, dead_letters, lifetimes = KEYS[1], KEYS[2], KEYS[3]
local index_of = {
  queued = KEYS[4], processing = KEYS[5], completed = KEYS[6], failed = KEYS[7], cancelled = KEYS[8],
}
local group, by, task_ttl_ms, dead_letters_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local entry_count, bad_count, task_count = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local terminal = { completed = true, failed = true, cancelled = true }
local moving = { started = true, retrying = true }

redis.call('XLEN', dead_letters)
redis.call('ZCARD', lifetimes)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end
local heads = {}
for t = 1, task_count do
  heads[t] = redis.call('HMGET', KEYS[7 + 2 * t], 'total', 'status', 'completed', 'failed', 'cancelled', 'created_at',
    'updated_at', 'outcome_at', 'revision')
  redis.call('HLEN', KEYS[8 + 2 * t])
end

local at, live = 7, {}
for e = 1, entry_count do
  live[e] = redis.call('XACK', events, group, ARGV[at + e]) == 1 and ARGV[at + e]
end
at = at + entry_count
for _ = 1, bad_count do
  local entry_id = live[tonumber(ARGV[at + 1])]
  if entry_id then
    redis.call('XADD', dead_letters, 'MAXLEN', '~', dead_letters_max, '*', 'reason', 'malformed_fact', 'error', '',
      'worker', by, 'source', events .. ' ' .. entry_id, 'line', ARGV[at + 2])
  end
  at = at + 2
end

-- The greater of two progress lines: generation, attempt, crashes and ms as numbers, then fact and worker as text.
local function greater(one, other)
  if not one then return other end
  local a, b = { string.match(one, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+)$') },
    { string.match(other, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+)$') }
  for i = 1, 6 do
    local x, y = a[i], b[i]
    if i <= 4 then x, y = tonumber(x), tonumber(y) end
    if x ~= y then return (x == nil or y > x) and other or one end
  end
  return one
end

local counted, progressed, duplicate, ignored = 0, 0, 0, 0
for t = 1, task_count do
  local task, outcomes, head = KEYS[7 + 2 * t], KEYS[8 + 2 * t], heads[t]
  local task_id, fact_count = ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 2
  local total, status, created_at = tonumber(head[1]), head[2], number(head[6], nil, 999999999999999)
  local sums = { completed = tonumber(head[3]) or 0, failed = tonumber(head[4]) or 0 }
  sums.cancelled = tonumber(head[5]) or 0
  local updated_before, outcome_at = tonumber(head[7]) or 0, tonumber(head[8]) or 0
  local updated_at, changed, moved, ended = updated_before, false, false, {}
  local known = total and created_at and index_of[status]
  for _ = 1, fact_count do
    local index, fact, value, ms = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
    at = at + 4
    if not known or tonumber(index) >= total then
      ignored = ignored + 1
    else
      updated_at = math.max(updated_at, ms)
      if terminal[fact] then
        if redis.call('HSETNX', outcomes, index, value) == 1 then
          sums[fact], counted = sums[fact] + 1, counted + 1
          changed, moved = true, true
          outcome_at = math.max(outcome_at, ms)
          ended[#ended + 1] = '~' .. index
        else
          duplicate = duplicate + 1
        end
      elseif redis.call('HEXISTS', outcomes, index) == 1 then
        duplicate = duplicate + 1
      else
        local told = redis.call('HGET', outcomes, '~' .. index)
        local newest = greater(told, value)
        if newest ~= told then
          redis.call('HSET', outcomes, '~' .. index, newest)
          changed = true
        end
        progressed, moved = progressed + 1, moved or moving[fact]
      end
    end
  end
  for first = 1, #ended, 1000 do
    redis.call('HDEL', outcomes, unpack(ended, first, math.min(first + 999, #ended)))
  end
  local before, finished = status, {}
  if moved and status == 'queued' then status = 'processing' end
  if changed or status ~= before or updated_at > updated_before then
    if not terminal[status] and sums.completed + sums.failed + sums.cancelled == total then
      status = sums.failed > 0 and 'failed' or sums.cancelled > 0 and 'cancelled' or 'completed'
      finished = { 'finished_at', string.format('%.0f', outcome_at) }
      redis.call('ZADD', lifetimes, string.format('%.0f', outcome_at + task_ttl_ms), task_id)
    end
    redis.call('HSET', task, 'status', status, 'completed', sums.completed, 'failed', sums.failed, 'cancelled',
      sums.cancelled, 'updated_at', string.format('%.0f', updated_at), 'outcome_at', string.format('%.0f', outcome_at),
      'revision', (tonumber(head[9]) or 0) + 1, unpack(finished))
    if status ~= before then
      redis.call('ZREM', index_of[before], task_id)
      redis.call('ZADD', index_of[status], created_at, task_id)
    end
  end
end
return { counted, progressed, duplicate, ignored }
