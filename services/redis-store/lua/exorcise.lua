-- Acknowledges a pending entry that does not exist any more: someone deleted it while it was held.
-- KEYS  stream
-- ARGV  group, entry_id
-- Answers exorcised · kept (the entry exists) · gone (it is not pending)
local stream = KEYS[1]
local group, entry_id = ARGV[1], ARGV[2]

if not is_entry_id(entry_id) then return refuse('entry') end
if #redis.call('XRANGE', stream, entry_id, entry_id) > 0 then return 'kept' end
return redis.call('XACK', stream, group, entry_id) == 1 and 'exorcised' or 'gone'
