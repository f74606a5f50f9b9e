-- Adds an entry again that nobody will ever read: it was delivered and is not pending, as XGROUP DELCONSUMER by hand
-- leaves it. No attempt and no crash is counted; whoever still runs it has lost its lease.
-- KEYS  stream, events, bell
-- ARGV  group, by, entry_id
-- Answers adopted · kept (it is pending, not yet delivered, or of more fields than an entry has) · gone
-- Appends the fact `returned`, where the entry is sound enough to say whose, and wakes a worker.
local stream, events, bell = KEYS[1], KEYS[2], KEYS[3]
local group, by, entry_id = ARGV[1], ARGV[2], ARGV[3]

-- Numbers of 64 bits are compared as text: Lua's would be rounded.
local function is_newer(one, other)
  local ms, sequence = string.match(one, '^0*(%d+)-0*(%d+)$')
  local other_ms, other_sequence = string.match(other, '^0*(%d+)-0*(%d+)$')
  if ms == other_ms then ms, other_ms = sequence, other_sequence end
  return #ms > #other_ms or #ms == #other_ms and ms > other_ms
end

redis.call('XLEN', events)
redis.call('LLEN', bell)
if not (is_consumer(by) and is_entry_id(entry_id)) then return refuse('by or entry') end
local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
if not entry then return 'gone' end
local delivered = '0-0'
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local state = {}
  for i = 1, #flat, 2 do state[flat[i]] = flat[i + 1] end
  if state.name == group then delivered = state['last-delivered-id'] end
end
local is_orphan = not is_newer(entry_id, delivered) and #entry[2] <= 2 * fields_max
if not is_orphan or #redis.call('XPENDING', stream, group, entry_id, entry_id, 1) > 0 then return 'kept' end

local fields, it = entry[2], identify(entry[2])
redis.call('XDEL', stream, entry_id)
redis.call('XADD', stream, '*', unpack(fields))
if it then append_facts(events, by, { fact_line(it, 'returned', it.crashes, by, now_ms()) }) end
ring(bell, 1)
return 'adopted'
