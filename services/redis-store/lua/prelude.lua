-- Shared by every script and put in front of each: the clock, the bell, the log, dead letters, how an entry is read and
-- kept while it is in no stream.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] .. string.sub('00000' .. time[2], -6, -4)
end

-- For a call of the wrong shape, before the first write: half of it must not happen.
local function refuse(what)
  return redis.error_reply('ERR malformed call, ' .. what)
end

-- Wakes one idle worker for each added entry; a bell holds at most 64 tokens, a lost one costs a worker's 2 s.
local function ring(bell, added)
  if added == 0 then return end
  local room = math.min(added, 64 - redis.call('LLEN', bell))
  if room > 0 then
    local tokens = {}
    for i = 1, room do tokens[i] = '1' end
    redis.call('RPUSH', bell, unpack(tokens))
  end
end

-- One entry of the log for each 128 facts, or for fewer that are about 1,000 subtasks together: whoever folds it has to
-- look at each. `about` says how many where a line is about more than one.
local function append_facts(events, by, lines, about)
  local first, told = 1, 0
  for i = 1, #lines do
    local subtasks = about and about[i] or 1
    if i > first and (i == first + 128 or told + subtasks > 1000) then
      redis.call('XADD', events, '*', 'v', '1', 'by', by, 'facts', table.concat(lines, '\n', first, i - 1))
      first, told = i, 0
    end
    told = told + subtasks
  end
  if lines[first] then
    redis.call('XADD', events, '*', 'v', '1', 'by', by, 'facts', table.concat(lines, '\n', first))
  end
end

-- An entry of more fields is nobody's: Lua cannot pass any number of them to one command.
local fields_max = 256

-- Keeps an entry's fields byte for byte behind the reason; too many of them as netstrings in the one field `packed`.
-- What the bound trims away is counted in `meta`.
local function add_dead_letter(dead_letters, meta, keep, reason, error, by, source, fields)
  if #fields > 2 * fields_max then
    local packed = {}
    for i, text in ipairs(fields) do packed[i] = #text .. ':' .. text .. ',' end
    fields = { 'packed', table.concat(packed) }
  end
  local before = redis.call('XLEN', dead_letters)
  redis.call('XADD', dead_letters, 'MAXLEN', '~', keep, '*', 'reason', reason, 'error', error, 'worker', by, 'source',
    source, unpack(fields))
  local trimmed = before + 1 - redis.call('XLEN', dead_letters)
  if trimmed > 0 then redis.pcall('HINCRBY', meta, 'dead_letters_trimmed', trimmed) end -- a count that is none stays
end

-- Whether Redis can read an entry id, two numbers of 64 bits: one that it cannot would end a script half-way.
local function is_entry_id(text)
  local _, last, sequence = string.find(text or '', '^%d+%-()%d+$')
  if not sequence or sequence <= 21 and last - sequence < 19 then return sequence end
  for part in string.gmatch(text, '%d+') do
    if #part > 20 or #part == 20 and part > '18446744073709551615' then return false end
  end
  return true
end

local function is_consumer(text)
  return text and #text <= 64 and string.find(text, '^[%w_.:@,%-]+$')
end

local function token(text)
  return text and #text <= 64 and string.find(text, '^[%w_.%-]+$') and text
end

local ms_max = 999999999999999

-- At most 15 digits, so that it is the same number in every language; 32 bits unless `max` says otherwise.
local function number(text, default, max)
  if not text then return default end
  local value = #text <= 15 and string.find(text, '^%d+$') and tonumber(text)
  return value and value <= (max or 4294967295) and value
end

local function is_utf8(text)
  for _, sequence in ipairs({ '[\194-\223][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]',
    '\240[\144-\191][\128-\191][\128-\191]', '\224[\160-\191][\128-\191]', '\237[\128-\159][\128-\191]',
    '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]' }) do
    if not string.find(text, '[\128-\255]') then return true end
    text = string.gsub(text, sequence, ' ')
  end
  return not string.find(text, '[\128-\255]')
end

-- Whether it is a list of parents, `name=index:on_failure` with commas between, at most 50, each once: whoever waits
-- for one twice would wait for ever.
local function is_parents(text)
  if not text or text == '' then return true end
  local count, seen = 0, {}
  for part in string.gmatch(text .. ',', '([^,]*),') do
    local name, index, on_failure = string.match(part, '^([%w_.%-]+)=(%d+):([%l_]+)$')
    count = count + 1
    local known = on_failure == 'fail_fast' or on_failure == 'skip' or on_failure == 'continue'
    index = number(index)
    if not (known and token(name) and index and count <= 50) or seen[index] then return false end
    seen[index] = true
  end
  return true
end

-- Task, index, generation, attempt and crashes of an entry's fields, with the verdict and the defaults of the reader's
-- decode; nil if the entry is malformed, false if a newer Millstream wrote it.
local function identify(fields)
  if #fields > 2 * fields_max then return nil end
  local f = {}
  for i = 1, #fields, 2 do f[fields[i]] = fields[i + 1] end
  local version = number(f.v, 1)
  if version and version > 1 then return false end
  local own = token(f.subtask_id)
  local suffix = own and string.match(own, '^.+%-(%d+)$')
  local it = {
    task = token(f.task_id), index = number(f.index, number(suffix, 0) or 0), generation = number(f.generation, 0),
    attempt = number(f.attempt, 1), crashes = number(f.crashes, 0),
  }
  local payload, room = f.payload or '{}', fields_max - #fields / 2
  for _, name in ipairs({ 'priority', 'attempt', 'crashes', 'history', 'parked_at' }) do
    if not f[name] then room = room - 1 end -- it comes to have them
  end
  local known = version and room >= 0 and own and it.task and it.index and it.generation and it.attempt and it.crashes
    and it.attempt > 0 and f.description and token(f.kind or 'simulate')
  local sound = known and number(f.max_attempts, 5) and number(f.timeout_ms, 0, ms_max)
    and number(f.deadline_ms, 0, ms_max) and number(f.backoff_base_ms, 0, ms_max)
    and number(f.backoff_cap_ms, 0, ms_max) and number(f.result_ttl_s, 0, ms_max) and number(f.parked_at, 0, ms_max)
    and is_parents(f.parents) and #payload <= 65536 and is_utf8(f.description) and is_utf8(payload)
    and is_utf8(f.traceparent or '') and is_utf8(f.history or '')
  return sound and it or nil
end

-- Where the value of a field stands, the last of equal names; nil if there is none.
local function place_of(fields, name)
  for i = #fields - 1, 1, -2 do
    if fields[i] == name then return i + 1 end
  end
end

local function set_field(fields, name, value)
  local at = place_of(fields, name)
  if not at then fields[#fields + 1], at = name, #fields + 2 end
  fields[at] = value
end

-- Adds a line to what an entry keeps of the attempts before it: at most 16, the newest. One that is full keeps none.
local function remember(fields, it, fact, crashes, by, at_ms, reason)
  local at, lines = place_of(fields, 'history'), {}
  if not at and #fields >= 2 * fields_max then return end
  if at and fields[at] ~= '' then
    for line in string.gmatch(fields[at] .. '\n', '([^\n]*)\n') do lines[#lines + 1] = line end
  end
  lines[#lines + 1] = string.format('%.0f %.0f %s %s %s', it.attempt, crashes, fact, at_ms, by)
    .. (reason and ' ' .. reason or '')
  set_field(fields, 'history', table.concat(lines, '\n', math.max(1, #lines - 15)))
end

local is_terminal = { completed = true, failed = true, cancelled = true }

-- The field of `outcomes` that keeps the record of a generation.
local function record_field(index, generation)
  return generation == 0 and string.format('%.0f', index) or string.format('%.0f@%.0f', index, generation)
end

local function fact_line(it, fact, crashes, by, at_ms, reason)
  local line = string.format('%s %.0f %.0f %s %.0f %.0f %s %s', it.task, it.index, it.generation, fact, it.attempt,
    crashes, by, at_ms)
  return reason and line .. ' ' .. reason or line
end

-- An entry that is in no stream now, as JSON: its queue, then its fields.
local function pack_body(queue, fields)
  return cjson.encode({ queue, unpack(fields) })
end

-- How urgent an entry is says its stream; an entry that leaves it for a while has to say it itself.
local function keep_priority(fields, stream)
  set_field(fields, 'priority', string.match(stream, ':(%l+)$') or 'medium')
end

-- Queue, fields and rank of priority out of such a text; nil if it is none.
local function unpack_body(text)
  local is_json, body = pcall(cjson.decode, text or '')
  if not is_json or type(body) ~= 'table' then return nil end
  if #body < 3 or #body % 2 == 0 or #body > 2 * fields_max + 1 then return nil end
  for i = 1, #body do
    if type(body[i]) ~= 'string' then return nil end
  end
  local queue = token(table.remove(body, 1))
  local at = place_of(body, 'priority')
  local rank = ({ critical = 1, high = 2, medium = 3, low = 4 })[at and body[at] or 'medium']
  if not queue or not rank then return nil end
  return queue, body, rank
end

-- Keys that items name by number, as text from '1'.
local function numbered(first, count)
  local keys = {}
  for n = 1, count do keys[tostring(n)] = KEYS[first + n - 1] end
  return keys
end

-- Bells and streams of the queues that a call was given keys for: five keys each, from `first` on.
local function queues_of(names_at, count, first)
  local queues = {}
  for q = 1, count do
    local at = first + 5 * (q - 1)
    queues[ARGV[names_at + q - 1]] = { bell = KEYS[at], streams = { unpack(KEYS, at + 1, at + 4) }, added = 0 }
  end
  return queues
end

local function guard_queue(queue)
  redis.call('LLEN', queue.bell)
  for _, stream in ipairs(queue.streams) do redis.call('XLEN', stream) end
end
