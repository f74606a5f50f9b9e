-- Gives entries back unfinished, each only if it is still pending: a new entry, no attempt and no crash counted.
-- KEYS  stream, events, bell, delayed, delayed:body, then the outcomes hashes named by the entries
-- ARGV  group, by, queue, park_ms (0 gives back at once; more lets what is sound wait for a worker of its kind), then
--       for each: entry id, outcomes no (0 if it is nobody's)
-- Answers for each entry: returned · parked · dropped (it had ended already: only its entry went) ·
--       stale (not pending any more; or of more fields than an entry has: left to reap; or to be parked where a later
--       generation of it waits already: what was left of the earlier one is gone)
-- Appends the fact `returned`, or the first time `parked`, for what can be read, and wakes a worker for each returned.
local stream, events, bell, delayed, bodies = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, by, queue, park_ms = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4], nil, 99999999999)

if not (is_consumer(by) and token(queue) and park_ms) then return refuse('by, queue or park_ms') end
redis.call('XLEN', events)
redis.call('LLEN', bell)
redis.call('ZCARD', delayed)
redis.call('HLEN', bodies)
local all_outcomes = numbered(6, #KEYS - 5)
for _, outcomes in pairs(all_outcomes) do redis.call('HLEN', outcomes) end
for at = 5, #ARGV, 2 do
  local sound = is_entry_id(ARGV[at]) and (ARGV[at + 1] == '0' or all_outcomes[ARGV[at + 1]])
  if not sound then return refuse('entry ' .. (at - 3) / 2) end
end

local function is_overtaken(subtask_id, it)
  local _, fields = unpack_body(redis.call('HGET', bodies, subtask_id))
  local waiting = fields and identify(fields)
  return waiting and waiting.generation > it.generation
end

local function has_ended(outcomes, it)
  return outcomes and it and redis.call('HEXISTS', outcomes, record_field(it.index, it.generation)) == 1
end

local now = now_ms()
local answers, lines, added = {}, {}, 0
for at = 5, #ARGV, 2 do
  local entry_id = ARGV[at]
  local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
  local can_return = not entry or #entry[2] <= 2 * fields_max
  local answer = 'stale'
  if can_return and redis.call('XACK', stream, group, entry_id) == 1 and entry then
    redis.call('XDEL', stream, entry_id)
    local fields, it = entry[2], identify(entry[2])
    local subtask_id = it and fields[place_of(fields, 'subtask_id')]
    if has_ended(all_outcomes[ARGV[at + 1]], it) then
      answer = 'dropped'
    elseif it and park_ms > 0 and is_overtaken(subtask_id, it) then -- one place in `delayed` is for one token
      answer = 'stale'
    elseif it and park_ms > 0 then
      answer = 'parked'
      if not place_of(fields, 'parked_at') then
        lines[#lines + 1] = fact_line(it, 'parked', it.crashes, by, now)
        set_field(fields, 'parked_at', now)
      end
      keep_priority(fields, stream)
      redis.call('HSET', bodies, subtask_id, pack_body(queue, fields))
      redis.call('ZADD', delayed, string.format('%.0f', now + park_ms), subtask_id)
    else
      answer, added = 'returned', added + 1
      redis.call('XADD', stream, '*', unpack(fields))
      if it then lines[#lines + 1] = fact_line(it, 'returned', it.crashes, by, now) end
    end
  end
  answers[#answers + 1] = answer
end
append_facts(events, by, lines)
ring(bell, added)
return answers
