-- Opens generations again that the log tells of and the outcomes have lost: a rebuild does so before it counts. In
-- sound books there are none.
-- KEYS  task, outcomes
-- ARGV  for each: index, generation
-- Answers how many were opened; 0 if there is no such task
local task, outcomes = KEYS[1], KEYS[2]

local book = read_task(task)
redis.call('HLEN', outcomes)
if not book then return 0 end
local opened, newest = 0, {}
for i = 1, #ARGV, 2 do
  local index, generation = number(ARGV[i]), number(ARGV[i + 1])
  if not index or not generation then return refuse('generation') end
  if index < book.total then newest[index] = math.max(newest[index] or 0, generation) end
end
for index, generation in pairs(newest) do
  local field = string.format('g:%.0f', index)
  local current = number(redis.call('HGET', outcomes, field) or '0') or 0
  if generation > current then
    redis.call('HSET', outcomes, field, string.format('%.0f', generation))
    opened = opened + 1
  end
end
if opened > 0 then
  redis.call('HSET', task, 'generations', 1, 'revision', string.format('%.0f', book.revision + 1))
end
return opened
