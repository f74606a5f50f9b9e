-- Keeps a text by name in a hash: a new one as long as there is room, or another text in the place of the one that was
-- read.
-- KEYS  hash
-- ARGV  id, before (the text that is to be replaced; empty for a new one), text, count_max (texts that may be there)
-- Answers kept · full · changed (something else stands there, or nothing does)
-- Appends nothing. Called twice it keeps it once.
local hash = KEYS[1]
local id, before, text, count_max = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4], 0, ms_max)

if not count_max or text == '' then return refuse('text or count_max') end
local found = redis.call('HGET', hash, id)
if found == text then return { 'kept' } end
if (found or '') ~= before then return { 'changed' } end
if not found and redis.call('HLEN', hash) >= count_max then return { 'full' } end
redis.call('HSET', hash, id, text)
return { 'kept' }
