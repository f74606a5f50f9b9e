-- Moves entries that gave up to the dead letters with their bytes and a reason, each only if it is still pending.
-- KEYS  events, dead-letters, meta, the streams named by the items, the outcomes hashes named by them, then one result
--       key for each item
-- ARGV  group, by, dead_letters_max, counts of streams and outcomes hashes, then for each item: stream no, entry id,
--       outcomes no (0 for what is nobody's), reason, error, result JSON ('' stores none), seconds the result is kept
-- Answers for each item: buried · dropped (it had ended already: nothing but its entry went) · stale
-- Appends the fact `failed` with the reason, where the entry is sound enough to say whose.
local events, dead_letters, meta = KEYS[1], KEYS[2], KEYS[3]
local group, by, dead_letters_max = ARGV[1], ARGV[2], ARGV[3]
local stream_count, outcomes_count = number(ARGV[4]), number(ARGV[5])

if not (is_consumer(by) and number(dead_letters_max) and stream_count and outcomes_count) then
  return refuse('by, bound or counts')
end
local first_result = 3 + stream_count + outcomes_count
if #ARGV ~= 5 + 7 * (#KEYS - first_result) then return refuse('counts') end
redis.call('XLEN', events)
redis.call('XLEN', dead_letters)
redis.call('HLEN', meta)
local streams, all_outcomes = numbered(4, stream_count), numbered(4 + stream_count, outcomes_count)
local items = {}
for at = 6, #ARGV, 7 do
  local stream, outcomes, is_nobodys = streams[ARGV[at]], all_outcomes[ARGV[at + 2]], ARGV[at + 2] == '0'
  local sound = stream and is_entry_id(ARGV[at + 1]) and (outcomes or is_nobodys and ARGV[at + 5] == '')
    and token(ARGV[at + 3]) and ARGV[at + 4] and (number(ARGV[at + 6], 0, ms_max) or 0) > 0
  if not sound then return refuse('item ' .. (at + 1) / 7) end
  local entry = redis.call('XRANGE', stream, ARGV[at + 1], ARGV[at + 1])[1]
  local it = entry and identify(entry[2]) or nil
  local ended = it and outcomes and redis.call('HEXISTS', outcomes, record_field(it.index, it.generation)) == 1
  items[#items + 1] = { stream = stream, fields = entry and entry[2] or {}, it = it, has_ended = ended, at = at }
end

local now = now_ms()
local answers, lines = {}, {}
for i, item in ipairs(items) do
  local entry_id, reason, error = ARGV[item.at + 1], ARGV[item.at + 3], ARGV[item.at + 4]
  local result, seconds = ARGV[item.at + 5], ARGV[item.at + 6]
  if redis.call('XACK', item.stream, group, entry_id) == 0 then
    answers[i] = 'stale'
  else
    redis.call('XDEL', item.stream, entry_id)
    if item.has_ended then
      answers[i] = 'dropped'
    else
      local source = item.stream .. ' ' .. entry_id
      add_dead_letter(dead_letters, meta, dead_letters_max, reason, error, by, source, item.fields)
      if item.it then lines[#lines + 1] = fact_line(item.it, 'failed', item.it.crashes, by, now, reason) end
      if result ~= '' then redis.call('SET', KEYS[first_result + i], result, 'EX', seconds, 'NX') end
      answers[i] = 'buried'
    end
  end
end
append_facts(events, by, lines)
return answers
