-- Tells the log again how a subtask ended, so that folding it tells those that still wait for it. The record stays:
-- whatever ends the task meanwhile, it stands. Only if nothing has happened to the task since the caller looked, and it
-- is open.
-- KEYS  task, outcomes, events
-- ARGV  by, task_id, revision (that the caller saw), index
-- Answers retold · moved (something happened to the task, it has ended or is gone, or there is no such record: nothing
--       was written)
-- Appends the fact that the record is of. It moves the revision: called twice, it answers moved the second time.
local task, outcomes, events = KEYS[1], KEYS[2], KEYS[3]
local by, task_id, revision, index = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4])

local book = read_task(task)
redis.call('XLEN', events)
if not (is_consumer(by) and index) then return refuse('by or index') end
local generation = number(redis.call('HGET', outcomes, string.format('g:%.0f', index)) or '0') or 0
local record = redis.call('HGET', outcomes, record_field(index, generation)) or ''
local outcome, attempt, crashes, ms, reason = string.match(record, '^(%l+) (%d+) (%d+) (%d+) ?([%w_.%-]*)$')
local is_open = book and not is_terminal[book.status] and is_terminal[outcome]
if not is_open or string.format('%.0f', book.revision) ~= revision then return 'moved' end

redis.call('HSET', task, 'revision', string.format('%.0f', book.revision + 1))
append_facts(events, by, { string.format('%s %.0f %.0f %s %s %s %s %s%s', task_id, index, generation, outcome, attempt,
  crashes, by, ms, reason == '' and '' or ' ' .. reason) })
return 'retold'
