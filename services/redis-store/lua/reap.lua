-- Re-adds what dead workers left: entries idle for a lease come back as new ones with one crash more, or are buried.
-- At most two rounds a second in the whole fleet, whoever asks first; while Redis is out of memory everyone may run it.
-- A crash buries at crashes_max if that attempt ran alone in its worker, which the worker marks with a delivery count
-- of alone_deliveries, and at crashes_cap in any case: nobody is buried for what ran beside it.
-- A round looks past what living workers hold until it finds something, at some 20,000 leases in a call.
-- KEYS  maintenance, events, dead-letters, bell, meta, delayed, then the streams
-- ARGV  group, by, lease_ms, count (entries a stream and round), crashes_max, crashes_cap, alone_deliveries,
--       dead_letters_max, not_after ('' or a time: a call that hung in an outage must not judge those who hung too),
--       then a cursor for each stream (0-0 at first, then what the last round answered)
-- Answers late, or skipped, or ran, returned, buried, malformed, ghosts (pending ids whose entry someone deleted), ms
--       until the next of `delayed` is due ('' if none waits), cursors …
-- Appends the fact `crashed` for each entry, `failed` with reason crashes for a buried one; an entry that is malformed
-- is nobody's: a dead letter and no fact.
local maintenance, events, dead_letters, bell, meta, delayed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local group, by, lease_ms, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local crashes_max, crashes_cap, alone_deliveries = number(ARGV[5]), number(ARGV[6]), number(ARGV[7])
local dead_letters_max, not_after = ARGV[8], ARGV[9]

local numbers = number(lease_ms) and number(count) and crashes_max and crashes_cap and alone_deliveries
local is_bounded = not_after == '' or number(not_after, nil, ms_max)
if not (numbers and number(dead_letters_max) and is_bounded and is_consumer(by) and #ARGV - 9 == #KEYS - 6) then
  return refuse('by, numbers or counts')
end
for i = 10, #ARGV do
  if not is_entry_id(ARGV[i]) then return refuse('cursor ' .. i - 9) end
end
for i = 7, #KEYS do redis.call('XLEN', KEYS[i]) end
redis.call('XLEN', events)
redis.call('XLEN', dead_letters)
redis.call('LLEN', bell)
redis.call('HLEN', meta)
local now = now_ms()
if not_after ~= '' and tonumber(now) > tonumber(not_after) then return { 'late' } end
local mine = redis.pcall('SET', maintenance, by, 'PX', 450, 'NX')
local others_ms = redis.call('PTTL', maintenance)
if not mine and others_ms >= 0 and others_ms <= 450 then return { 'skipped' } end -- a longer one is not ours

local next_due = redis.pcall('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2] -- of another type, it holds up no recovery
local wait_ms = next_due and string.format('%.0f', math.min(math.max(0, tonumber(next_due) - now), ms_max)) or ''
local lines, answer = {}, { 'ran', 0, 0, 0, 0, wait_ms }
local function bury(stream, entry, reason)
  add_dead_letter(dead_letters, meta, dead_letters_max, reason, '', by, stream .. ' ' .. entry[1], entry[2])
end
-- Whether the crash of this attempt is its own fault; asked while it is still pending.
local function is_guilty(stream, entry_id, crashes)
  if crashes < crashes_max then return false end
  if crashes >= crashes_cap then return true end
  local row = redis.call('XPENDING', stream, group, entry_id, entry_id, 1)[1]
  return row and row[4] >= alone_deliveries
end
local function recover(stream, entry, it, is_buried)
  local fields = entry[2]
  if it == false then
    redis.call('XADD', stream, '*', unpack(fields))
    answer[2] = answer[2] + 1
  elseif not it then
    bury(stream, entry, 'malformed')
    answer[4] = answer[4] + 1
  else
    remember(fields, it, 'crashed', it.crashes + 1, by, now)
    if is_buried then
      bury(stream, entry, 'crashes')
      lines[#lines + 1] = fact_line(it, 'failed', it.crashes + 1, by, now, 'crashes')
      answer[3] = answer[3] + 1
    else
      set_field(fields, 'crashes', string.format('%.0f', it.crashes + 1))
      redis.call('XADD', stream, '*', unpack(fields))
      lines[#lines + 1] = fact_line(it, 'crashed', it.crashes + 1, by, now)
      answer[2] = answer[2] + 1
    end
  end
end

-- Takes what was left in a stream from a cursor on, and answers as the server does. One look of its is at ten leases
-- for each that it may take: the next round may be another worker's, which knows nothing of where this one stopped. A
-- stream has one look at least.
local looks = 20
local function claim(stream, cursor)
  repeat
    local claimed = redis.pcall('XAUTOCLAIM', stream, group, by, lease_ms, cursor, 'COUNT', count, 'JUSTID')
    if claimed.err then return claimed end
    looks = looks - 1
    answer[5] = answer[5] + (claimed[3] and #claimed[3] or 0)
    cursor = claimed[1]
    if #claimed[2] > 0 or cursor == '0-0' then return claimed end
  until looks <= 0
  return { cursor, {} }
end

for i = 7, #KEYS do
  local stream = KEYS[i]
  local claimed = claim(stream, ARGV[3 + i])
  if claimed.err and answer[2] + answer[3] + answer[4] == 0 and not string.find(claimed.err, 'NOGROUP', 1, true) then
    return claimed
  elseif claimed.err then
    answer[#answer + 1] = '0-0' -- no such group yet: the reader creates it
  else
    for _, entry_id in ipairs(claimed[2]) do
      local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
      local it = entry and identify(entry[2])
      local is_buried = entry and it and is_guilty(stream, entry_id, it.crashes + 1)
      redis.call('XACK', stream, group, entry_id)
      if entry then
        redis.call('XDEL', stream, entry_id)
        recover(stream, entry, it, is_buried)
      else
        answer[5] = answer[5] + 1
      end
    end
    answer[#answer + 1] = claimed[1]
  end
end
append_facts(events, by, lines)
ring(bell, answer[2])
return answer
