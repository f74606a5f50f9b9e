-- Re-adds what dead workers left: entries idle for a lease come back as new ones with one crash more, or are buried.
-- One round a second in the whole fleet, whoever asks first; while Redis is out of memory everyone may run it.
-- KEYS  maintenance, events, dead-letters, bell, then the streams
-- ARGV  group, by, lease_ms, count (entries a stream and round), crashes_max, dead_letters_max, then a cursor for each
--       stream (0-0 at first, then what the last round answered)
-- Answers skipped, or ran, returned, buried, malformed, ghosts (pending ids whose entry someone deleted), cursors …
-- Appends the fact `crashed` for each entry, `failed` with reason crashes for a buried one; an entry that is malformed
-- is nobody's: a dead letter and no fact.
local maintenance, events, dead_letters, bell = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, by, lease_ms, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local crashes_max, dead_letters_max = number(ARGV[5]), ARGV[6]

for i = 5, #KEYS do redis.call('XLEN', KEYS[i]) end
redis.call('XLEN', events)
redis.call('XLEN', dead_letters)
redis.call('LLEN', bell)
local numbers = number(lease_ms) and number(count) and crashes_max and number(dead_letters_max)
if not (numbers and is_consumer(by) and #ARGV - 6 == #KEYS - 4) then return refuse('by, numbers or counts') end
for i = 7, #ARGV do
  if not is_entry_id(ARGV[i]) then return refuse('cursor ' .. i - 6) end
end
local mine = redis.pcall('SET', maintenance, by, 'PX', 900, 'NX')
local others_ms = redis.call('PTTL', maintenance)
if not mine and others_ms >= 0 and others_ms <= 900 then return { 'skipped' } end -- a longer one is not ours

local now = now_ms()
local lines, answer = {}, { 'ran', 0, 0, 0, 0 }
local function bury(stream, entry, reason)
  add_dead_letter(dead_letters, dead_letters_max, reason, '', by, stream .. ' ' .. entry[1], entry[2])
end
local function re_add(stream, fields, crashes)
  local last
  for i = 1, #fields, 2 do if fields[i] == 'crashes' then last = i + 1 end end
  if not last then fields[#fields + 1], last = 'crashes', #fields + 2 end
  fields[last] = string.format('%.0f', crashes)
  redis.call('XADD', stream, '*', unpack(fields))
end
local function recover(stream, entry)
  local it = identify(entry[2])
  if it == false then
    redis.call('XADD', stream, '*', unpack(entry[2]))
    answer[2] = answer[2] + 1
  elseif not it then
    bury(stream, entry, 'malformed')
    answer[4] = answer[4] + 1
  elseif it.crashes + 1 >= crashes_max then
    bury(stream, entry, 'crashes')
    lines[#lines + 1] = fact_line(it, 'failed', it.crashes + 1, by, now, 'crashes')
    answer[3] = answer[3] + 1
  else
    re_add(stream, entry[2], it.crashes + 1)
    lines[#lines + 1] = fact_line(it, 'crashed', it.crashes + 1, by, now)
    answer[2] = answer[2] + 1
  end
end

for i = 5, #KEYS do
  local stream = KEYS[i]
  local claimed = redis.pcall('XAUTOCLAIM', stream, group, by, lease_ms, ARGV[2 + i], 'COUNT', count, 'JUSTID')
  if claimed.err and answer[2] + answer[3] + answer[4] == 0 and not string.find(claimed.err, 'NOGROUP', 1, true) then
    return claimed
  elseif claimed.err then
    answer[#answer + 1] = '0-0' -- no such group yet: the reader creates it
  else
    for _, entry_id in ipairs(claimed[2]) do
      local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
      redis.call('XACK', stream, group, entry_id)
      if entry then
        redis.call('XDEL', stream, entry_id)
        recover(stream, entry)
      else
        answer[5] = answer[5] + 1
      end
    end
    answer[5] = answer[5] + (claimed[3] and #claimed[3] or 0)
    answer[#answer + 1] = claimed[1]
  end
end
append_facts(events, by, lines)
ring(bell, answer[2])
return answer
