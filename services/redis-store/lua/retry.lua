-- Schedules the next attempt of entries whose attempt failed, each only if it is still pending: it waits in `delayed`.
-- KEYS  events, delayed, delayed:body, the streams named by the items, then the outcomes hashes named by them
-- ARGV  group, by, counts of streams and outcomes hashes, then for each item: stream no, queue, entry id, outcomes no,
--       delay_ms, reason
-- Answers for each item: scheduled · dropped (it had ended already: nothing but its entry went) · stale (not pending
--       any more, or nobody's: nothing was written)
-- Appends the fact `retrying` with the number of the next attempt.
local events, delayed, bodies = KEYS[1], KEYS[2], KEYS[3]
local group, by, stream_count, outcomes_count = ARGV[1], ARGV[2], number(ARGV[3]), number(ARGV[4])

if not (is_consumer(by) and stream_count and outcomes_count) or #KEYS ~= 3 + stream_count + outcomes_count then
  return refuse('by or counts')
end
redis.call('XLEN', events)
redis.call('ZCARD', delayed)
redis.call('HLEN', bodies)
local streams, all_outcomes = numbered(4, stream_count), numbered(4 + stream_count, outcomes_count)
local items = {}
for at = 5, #ARGV, 6 do
  local stream, outcomes = streams[ARGV[at]], all_outcomes[ARGV[at + 3]]
  local delay_ms = number(ARGV[at + 4], nil, 99999999999)
  local sound = stream and outcomes and token(ARGV[at + 1]) and is_entry_id(ARGV[at + 2]) and delay_ms
    and token(ARGV[at + 5])
  if not sound then return refuse('item ' .. (at + 1) / 6) end
  local entry = redis.call('XRANGE', stream, ARGV[at + 2], ARGV[at + 2])[1]
  local it = entry and identify(entry[2])
  items[#items + 1] = {
    stream = stream, queue = ARGV[at + 1], id = ARGV[at + 2], delay_ms = delay_ms, reason = ARGV[at + 5], it = it,
    fields = entry and entry[2],
    has_ended = it and redis.call('HEXISTS', outcomes, record_field(it.index, it.generation)) == 1,
  }
end

local now = now_ms()
local answers, lines = {}, {}
for i, item in ipairs(items) do
  local it, fields = item.it, item.fields
  if not it or redis.call('XACK', item.stream, group, item.id) == 0 then
    answers[i] = 'stale'
  else
    redis.call('XDEL', item.stream, item.id)
    if item.has_ended then
      answers[i] = 'dropped'
    else
      local subtask_id = fields[place_of(fields, 'subtask_id')]
      remember(fields, it, 'retrying', it.crashes, by, now, item.reason)
      it.attempt = it.attempt + 1
      set_field(fields, 'attempt', string.format('%.0f', it.attempt))
      keep_priority(fields, item.stream)
      redis.call('HSET', bodies, subtask_id, pack_body(item.queue, fields))
      redis.call('ZADD', delayed, string.format('%.0f', now + item.delay_ms), subtask_id)
      lines[#lines + 1] = fact_line(it, 'retrying', it.crashes, by, now, item.reason)
      answers[i] = 'scheduled'
    end
  end
end
append_facts(events, by, lines)
return answers
