-- Gives a dead letter that belongs to no task back to the stream it came from, as a first attempt without a deadline:
-- its task is gone, and the deadline with it.
-- KEYS  dead-letters, stream, bell
-- ARGV  the letter's id
-- Answers exhumed · gone (no such letter) · unfit (what is left of it is not an entry)
-- Appends nothing: nobody's entry has no facts.
local dead_letters, stream, bell = KEYS[1], KEYS[2], KEYS[3]
local letter_id = ARGV[1]

redis.call('XLEN', stream)
redis.call('LLEN', bell)
if not is_entry_id(letter_id) then return refuse('id') end
local letter = redis.call('XRANGE', dead_letters, letter_id, letter_id)[1]
if not letter then return 'gone' end
local fields, left_out = {}, { history = true, parked_at = true, deadline_ms = true }
for i = 9, #letter[2], 2 do
  if not left_out[letter[2][i]] then
    fields[#fields + 1], fields[#fields + 2] = letter[2][i], letter[2][i + 1]
  end
end
if not identify(fields) then return 'unfit' end
if place_of(fields, 'attempt') then set_field(fields, 'attempt', '1') end
if place_of(fields, 'crashes') then set_field(fields, 'crashes', '0') end
redis.call('XDEL', dead_letters, letter_id)
redis.call('XADD', stream, '*', unpack(fields))
ring(bell, 1)
return 'exhumed'
