-- Records how attempts ended, each only if its entry is still pending: the acknowledgement is the fence.
-- KEYS  events, the streams named by the items, then one result key for each item
-- ARGV  group, by, count of streams, then for each item, at most 1,000: stream no, entry id, fact line up to its
--       time, reason ('' for none), result JSON ('' stores none), seconds the result is kept
-- Answers for each item: recorded · stale (someone else settled, reaped or deleted it; nothing was written)
-- Appends the terminal facts, one entry for each 128. A result that already stands is never replaced.
local events, group, by, stream_count = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local terminal = { completed = true, failed = true, cancelled = true }

redis.call('XLEN', events)
for s = 1, stream_count do redis.call('XLEN', KEYS[1 + s]) end
local item_count = #KEYS - 1 - stream_count
if #ARGV ~= 3 + 6 * item_count or item_count > 1000 then return refuse('counts') end
local streams, sound_seconds = {}, nil
for s = 1, stream_count do streams[tostring(s)] = KEYS[1 + s] end
for at = 4, #ARGV, 6 do
  local reason, seconds = ARGV[at + 3], ARGV[at + 5]
  local fact = string.match(ARGV[at + 2], '^[%w_.%-]+ %d+ %d+ (%l+) %d+ %d+ [%w_.:@,%-]+$')
  if seconds ~= sound_seconds and (number(seconds, 0, 999999999999999) or 0) > 0 then sound_seconds = seconds end
  local sound = streams[ARGV[at]] and is_entry_id(ARGV[at + 1]) and terminal[fact]
    and (reason == '' or token(reason)) and seconds == sound_seconds
  if not sound then return refuse('item ' .. (at + 2) / 6) end
end

local now = now_ms()
local answers, lines, done = {}, {}, {}
for at = 4, #ARGV, 6 do
  local stream_no, entry_id, prefix, reason = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local item = #answers + 1
  if redis.call('XACK', KEYS[1 + stream_no], group, entry_id) == 1 then
    local ids = done[stream_no] or {}
    done[stream_no], ids[#ids + 1] = ids, entry_id
    lines[#lines + 1] = prefix .. ' ' .. now .. (reason == '' and '' or ' ' .. reason)
    if ARGV[at + 4] ~= '' then
      redis.call('SET', KEYS[1 + stream_count + item], ARGV[at + 4], 'EX', ARGV[at + 5], 'NX')
    end
    answers[item] = 'recorded'
  else
    answers[item] = 'stale'
  end
end
for s = 1, stream_count do
  if done[s] then redis.call('XDEL', KEYS[1 + s], unpack(done[s])) end
end
append_facts(events, by, lines)
return answers
