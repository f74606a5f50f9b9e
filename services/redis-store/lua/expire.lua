-- Removes what is left of a task that is past its life: only if it has ended and its time is really over.
-- KEYS  task, outcomes, plan, lifetimes, tasks, tasks:queued, tasks:processing, tasks:completed, tasks:failed,
--       tasks:cancelled
-- ARGV  task_id
-- Answers removed · open (it has not ended) · early (its life was prolonged meanwhile)
local task, outcomes, plan, lifetimes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local task_id = ARGV[1]

local status = redis.call('HGET', task, 'status')
for i = 4, #KEYS do redis.call('ZCARD', KEYS[i]) end
if status == 'queued' or status == 'processing' then return 'open' end
local ends_at = redis.call('ZSCORE', lifetimes, task_id)
if ends_at and tonumber(ends_at) > tonumber(now_ms()) then return 'early' end
redis.call('UNLINK', task, outcomes, plan)
for i = 4, #KEYS do redis.call('ZREM', KEYS[i], task_id) end
return 'removed'
