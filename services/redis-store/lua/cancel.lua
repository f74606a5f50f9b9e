-- Ends a task: everything of it that has not ended is recorded cancelled, at once.
-- KEYS  task, outcomes, plan, events, delayed, delayed:body, cancelled, lifetimes, tasks:queued, tasks:processing,
--       tasks:completed, tasks:failed, tasks:cancelled
-- ARGV  by, task_id, reason ('' for none), task_ttl_ms, hint_ms (how long workers are told at least), only_past ('1':
--       only if its deadline is over), if_revision ('' for any; what is cancelled already needs none)
-- Answers cancelled, how many subtasks, and as `write_task` tells it how the task ended · already, its status ·
--       changed (it has another revision) · early (its deadline is not over) · gone (no such task)
-- Appends the fact `cancelled`, a line for each run of neighbours.
local task, outcomes, plan, events, delayed, bodies = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local cancelled, lifetimes = KEYS[7], KEYS[8]
local index_of = {
  queued = KEYS[9], processing = KEYS[10], completed = KEYS[11], failed = KEYS[12], cancelled = KEYS[13],
}
local by, task_id, reason, only_past, if_revision = ARGV[1], ARGV[2], ARGV[3], ARGV[6], ARGV[7]
local task_ttl_ms, hint_ms = number(ARGV[4], nil, ms_max), number(ARGV[5], nil, ms_max)

if not (is_consumer(by) and (reason == '' or token(reason)) and task_ttl_ms and hint_ms) then
  return refuse('by, reason or times')
end
local book = read_task(task)
if not book then return { 'gone' } end
local is_at = if_revision == '' or string.format('%.0f', book.revision) == if_revision
if not is_at and book.status ~= 'cancelled' then return { 'changed' } end
if is_terminal[book.status] then return { 'already', book.status } end
redis.call('HLEN', plan)
redis.call('XLEN', events)
redis.call('ZCARD', delayed)
redis.call('HLEN', bodies)
redis.call('ZCARD', cancelled)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end
if not index_of[book.status] then return refuse('status') end
local now, deadline = now_ms(), tonumber(redis.call('ZSCORE', lifetimes, task_id) or 0)
if only_past == '1' and deadline > tonumber(now) then return { 'early' } end
local open = open_indexes(outcomes, book.total)

redis.call('UNLINK', plan)
record_cancelled(outcomes, delayed, bodies, task_id, open, now, reason)
redis.call('ZADD', cancelled, string.format('%.0f', math.max(deadline, now + hint_ms)), task_id)
book.cancelled = book.cancelled + #open
book.updated_at, book.outcome_at = math.max(book.updated_at, now), math.max(book.outcome_at, now)
local ended = write_task(task, task_id, book, index_of, lifetimes, task_ttl_ms) or {}
local lines, about = {}, {}
cancelled_lines(lines, about, task_id, open, by, now, reason)
append_facts(events, by, lines, about)
return { 'cancelled', #open, unpack(ended) }
