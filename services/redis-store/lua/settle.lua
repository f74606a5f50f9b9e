-- Records how attempts ended, each only if its entry is still pending: the acknowledgement is the fence.
-- KEYS  events, the streams named by the items, the outcomes hashes named by them, then one result key for each item
-- ARGV  group, by, counts of streams and outcomes hashes, then for each item, at most 1,000: stream no, entry id,
--       outcomes no, fact line up to its time, reason ('' for none), result JSON ('' stores none), seconds the result
--       is kept
-- Answers for each item: recorded · dropped (it had ended already, as a cancel ends it: nothing but its entry went) ·
--       stale (someone else settled, reaped or deleted it; nothing was written)
-- Appends the terminal facts, one entry for each 128. A result that already stands is never replaced.
local KEYS, ARGV = KEYS, ARGV -- a global is looked up at each use
local events, group, by = KEYS[1], ARGV[1], ARGV[2]
local stream_count, outcomes_count = number(ARGV[3]), number(ARGV[4])

if not stream_count or not outcomes_count then return refuse('counts') end
local first_result = 1 + stream_count + outcomes_count
local item_count = #KEYS - first_result
if #ARGV ~= 4 + 7 * item_count or item_count > 1000 then return refuse('counts') end
redis.call('XLEN', events)
local streams, sound_task, sound_worker, sound_seconds = numbered(2, stream_count), nil, nil, nil
for _, stream in pairs(streams) do redis.call('XLEN', stream) end
local all_outcomes, asked, places = numbered(2 + stream_count, outcomes_count), {}, {}
for o in pairs(all_outcomes) do asked[o] = {} end
for at = 5, #ARGV, 7 do
  local fields, reason, seconds = asked[ARGV[at + 2]], ARGV[at + 4], ARGV[at + 6]
  local task, index, generation, fact, worker =
    string.match(ARGV[at + 3], '^(%S+) (%d+) (%d+) (%l+) %d+ %d+ (%S+)$')
  -- What was looked at in the item before need not be looked at again.
  if task ~= sound_task then sound_task = token(task) end
  if worker ~= sound_worker then sound_worker = is_consumer(worker) and worker end
  if seconds ~= sound_seconds and (number(seconds, 0, ms_max) or 0) > 0 then sound_seconds = seconds end
  local sound = streams[ARGV[at]] and is_entry_id(ARGV[at + 1]) and fields and is_terminal[fact]
    and sound_task and sound_worker and (reason == '' or token(reason)) and seconds == sound_seconds
  if not sound then return refuse('item ' .. (at + 2) / 7) end
  fields[#fields + 1] = generation == '0' and index or index .. '@' .. generation
  places[#places + 1] = #fields
end
for o, fields in pairs(asked) do
  asked[o] = #fields > 0 and redis.call('HMGET', all_outcomes[o], unpack(fields)) or {}
end

local suffix, answers, lines, done = ' ' .. now_ms(), {}, {}, {}
for at = 5, #ARGV, 7 do
  local stream_no, entry_id, reason = ARGV[at], ARGV[at + 1], ARGV[at + 4]
  local item = #answers + 1
  if redis.call('XACK', streams[stream_no], group, entry_id) == 1 then
    local ids = done[stream_no] or {}
    done[stream_no], ids[#ids + 1] = ids, entry_id
    if asked[ARGV[at + 2]][places[item]] then
      answers[item] = 'dropped'
    else
      lines[#lines + 1] = ARGV[at + 3] .. suffix .. (reason == '' and '' or ' ' .. reason)
      if ARGV[at + 5] ~= '' then
        redis.call('SET', KEYS[first_result + item], ARGV[at + 5], 'EX', ARGV[at + 6], 'NX')
      end
      answers[item] = 'recorded'
    end
  else
    answers[item] = 'stale'
  end
end
for stream_no, ids in pairs(done) do redis.call('XDEL', streams[stream_no], unpack(ids)) end
append_facts(events, by, lines)
return answers
