-- Records how attempts ended, each only if its entry is still pending: the acknowledgement is the fence.
-- KEYS  events, the streams named by the items, the outcomes hashes named by them, then one result key for each item
-- ARGV  group, by, counts of streams and outcomes hashes, then for each item, at most 1,000: stream no, entry id,
--       outcomes no, fact line up to its time, reason ('' for none), result JSON ('' stores none), seconds the result
--       is kept
-- Answers for each item: recorded · dropped (it had ended already, as a cancel ends it: nothing but its entry went) ·
--       stale (someone else settled, reaped or deleted it; nothing was written)
-- Appends the terminal facts, one entry for each 128. A result that already stands is never replaced.
local events, group, by = KEYS[1], ARGV[1], ARGV[2]
local stream_count, outcomes_count = number(ARGV[3]), number(ARGV[4])

if not stream_count or not outcomes_count then return refuse('counts') end
local first_result = 1 + stream_count + outcomes_count
local item_count = #KEYS - first_result
if #ARGV ~= 4 + 7 * item_count or item_count > 1000 then return refuse('counts') end
redis.call('XLEN', events)
local streams, sound_seconds = numbered(2, stream_count), nil
for _, stream in pairs(streams) do redis.call('XLEN', stream) end
local asked, places = {}, {}
for o = 1, outcomes_count do asked[o] = {} end
for at = 5, #ARGV, 7 do
  local reason, seconds = ARGV[at + 4], ARGV[at + 6]
  local index, generation, fact =
    string.match(ARGV[at + 3], '^[%w_.%-]+ (%d+) (%d+) (%l+) %d+ %d+ [%w_.:@,%-]+$')
  if seconds ~= sound_seconds and (number(seconds, 0, ms_max) or 0) > 0 then sound_seconds = seconds end
  local fields = asked[tonumber(ARGV[at + 2]) or 0]
  local sound = streams[ARGV[at]] and is_entry_id(ARGV[at + 1]) and fields and is_terminal[fact]
    and (reason == '' or token(reason)) and seconds == sound_seconds
  if not sound then return refuse('item ' .. (at + 2) / 7) end
  fields[#fields + 1] = generation == '0' and index or index .. '@' .. generation
  places[#places + 1] = #fields
end
for o = 1, outcomes_count do
  asked[o] = #asked[o] > 0 and redis.call('HMGET', KEYS[1 + stream_count + o], unpack(asked[o])) or {}
end

local now = now_ms()
local answers, lines, done = {}, {}, {}
for at = 5, #ARGV, 7 do
  local stream_no, entry_id, reason = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 4]
  local item = #answers + 1
  if redis.call('XACK', KEYS[1 + stream_no], group, entry_id) == 1 then
    local ids = done[stream_no] or {}
    done[stream_no], ids[#ids + 1] = ids, entry_id
    if asked[tonumber(ARGV[at + 2])][places[item]] then
      answers[item] = 'dropped'
    else
      lines[#lines + 1] = ARGV[at + 3] .. ' ' .. now .. (reason == '' and '' or ' ' .. reason)
      if ARGV[at + 5] ~= '' then
        redis.call('SET', KEYS[first_result + item], ARGV[at + 5], 'EX', ARGV[at + 6], 'NX')
      end
      answers[item] = 'recorded'
    end
  else
    answers[item] = 'stale'
  end
end
for s = 1, stream_count do
  if done[s] then redis.call('XDEL', KEYS[1 + s], unpack(done[s])) end
end
append_facts(events, by, lines)
return answers
