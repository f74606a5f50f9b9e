-- Tells the log which attempts have been running for a while. Harmless twice: the fold keeps the greatest.
-- KEYS  events
-- ARGV  by, then for each attempt its fact line up to the time
-- Answers started
-- Appends the facts, one entry for each 128.
local events, by = KEYS[1], ARGV[1]

local now, lines = now_ms(), {}
for i = 2, #ARGV do lines[#lines + 1] = ARGV[i] .. ' ' .. now end
append_facts(events, by, lines)
return 'started'
