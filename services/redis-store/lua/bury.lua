-- Moves entries that gave up to the dead letters with their bytes and a reason, each only if it is still pending.
-- KEYS  stream, events, dead-letters
-- ARGV  group, by, dead_letters_max, then for each entry: entry id, reason, error
-- Answers for each entry: buried · stale
-- Appends the fact `failed` with the reason, where the entry is sound enough to say whose.
local stream, events, dead_letters = KEYS[1], KEYS[2], KEYS[3]
local group, by, dead_letters_max = ARGV[1], ARGV[2], ARGV[3]

for _, key in ipairs(KEYS) do redis.call('XLEN', key) end
if not (is_consumer(by) and number(dead_letters_max)) then return refuse('by or bound') end
for at = 4, #ARGV, 3 do
  local sound = is_entry_id(ARGV[at]) and token(ARGV[at + 1]) and ARGV[at + 2]
  if not sound then return refuse('entry ' .. (at - 1) / 3) end
end

local now = now_ms()
local answers, lines = {}, {}
for at = 4, #ARGV, 3 do
  local entry_id, reason, error = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
  if redis.call('XACK', stream, group, entry_id) == 1 then
    redis.call('XDEL', stream, entry_id)
    local fields = entry and entry[2] or {}
    add_dead_letter(dead_letters, dead_letters_max, reason, error, by, stream .. ' ' .. entry_id, fields)
    local it = identify(fields)
    if it then lines[#lines + 1] = fact_line(it, 'failed', it.crashes, by, now, reason) end
    answers[#answers + 1] = 'buried'
  else
    answers[#answers + 1] = 'stale'
  end
end
append_facts(events, by, lines)
return answers
