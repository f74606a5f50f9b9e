-- Gives entries back unfinished, each only if it is still pending: a new entry, no attempt and no crash counted.
-- KEYS  stream, events, bell
-- ARGV  group, by, then the entry ids
-- Answers for each entry: returned · stale (not pending any more; or of more fields than an entry has: left to reap)
-- Appends the fact `returned` for what can be read, and wakes a worker for each.
local stream, events, bell = KEYS[1], KEYS[2], KEYS[3]
local group, by = ARGV[1], ARGV[2]

redis.call('XLEN', events)
redis.call('LLEN', bell)
if not is_consumer(by) then return refuse('by') end
for i = 3, #ARGV do
  if not is_entry_id(ARGV[i]) then return refuse('entry ' .. i - 2) end
end

local now = now_ms()
local answers, lines, added = {}, {}, 0
for i = 3, #ARGV do
  local entry = redis.call('XRANGE', stream, ARGV[i], ARGV[i])[1]
  local can_return = not entry or #entry[2] <= 2 * fields_max
  if can_return and redis.call('XACK', stream, group, ARGV[i]) == 1 and entry then
    redis.call('XDEL', stream, ARGV[i])
    redis.call('XADD', stream, '*', unpack(entry[2]))
    local it = identify(entry[2])
    if it then lines[#lines + 1] = fact_line(it, 'returned', it.crashes, by, now) end
    added = added + 1
    answers[#answers + 1] = 'returned'
  else
    answers[#answers + 1] = 'stale'
  end
end
append_facts(events, by, lines)
ring(bell, added)
return answers
