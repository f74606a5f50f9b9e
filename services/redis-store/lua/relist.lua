-- Gives a task that no time is kept for its place in `lifetimes` again: its deadline while it is open, else its end and
-- a life after it.
-- KEYS  task, lifetimes
-- ARGV  task_id, task_ttl_ms, deadline_ms (from its creation, for a task that keeps no deadline)
-- Answers relisted · kept (it has a place) · gone (no such task)
local task, lifetimes = KEYS[1], KEYS[2]
local task_id, long = ARGV[1], 999999999999999
local task_ttl_ms, deadline_ms = number(ARGV[2], nil, long), number(ARGV[3], nil, long)

local book = read_task(task)
if not book then return 'gone' end
if not task_ttl_ms or not deadline_ms then return refuse('times') end
if redis.call('ZSCORE', lifetimes, task_id) then return 'kept' end
local head = redis.call('HMGET', task, 'deadline_at', 'finished_at')
local ends_at = number(head[1] or nil, book.created_at + deadline_ms, long) or book.created_at + deadline_ms
if is_terminal[book.status] then
  ends_at = (number(head[2] or nil, book.updated_at, long) or book.updated_at) + task_ttl_ms
end
redis.call('ZADD', lifetimes, string.format('%.0f', ends_at), task_id)
return 'relisted'
