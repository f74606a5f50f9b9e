-- Shared by every script and put in front of each: the clock, the bell, the log, dead letters, how an entry is read.

local function now_ms()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end

-- For a call of the wrong shape, before the first write: half of it must not happen.
local function refuse(what)
  return redis.error_reply('ERR malformed call, ' .. what)
end

-- Wakes one idle worker for each added entry; a bell holds at most 64 tokens, a lost one costs a worker's 2 s.
local function ring(bell, added)
  local room = math.min(added, 64 - redis.call('LLEN', bell))
  if room > 0 then
    local tokens = {}
    for i = 1, room do tokens[i] = '1' end
    redis.call('RPUSH', bell, unpack(tokens))
  end
end

-- One entry of the log for each 128 facts.
local function append_facts(events, by, lines)
  for first = 1, #lines, 128 do
    local facts = table.concat(lines, '\n', first, math.min(first + 127, #lines))
    redis.call('XADD', events, '*', 'v', '1', 'by', by, 'facts', facts)
  end
end

-- An entry of more fields is nobody's: Lua cannot pass any number of them to one command.
local fields_max = 256

-- Keeps an entry's fields byte for byte behind the reason; too many of them as netstrings in the one field `packed`.
local function add_dead_letter(dead_letters, keep, reason, error, by, source, fields)
  if #fields > 2 * fields_max then
    local packed = {}
    for i, text in ipairs(fields) do packed[i] = #text .. ':' .. text .. ',' end
    fields = { 'packed', table.concat(packed) }
  end
  redis.call('XADD', dead_letters, 'MAXLEN', '~', keep, '*', 'reason', reason, 'error', error, 'worker', by, 'source',
    source, unpack(fields))
end

-- Whether Redis can read an entry id: one that it cannot would end a script half-way.
local function is_entry_id(text)
  if not text or not string.find(text, '^%d+%-%d+$') then return false end
  local dash = string.find(text, '-', 1, true)
  return dash <= 20 and #text - dash <= 19
end

local function is_consumer(text)
  return text and #text <= 64 and string.find(text, '^[%w_.:@,%-]+$')
end

local function token(text)
  return text and #text <= 64 and string.find(text, '^[%w_.%-]+$') and text
end

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
  local long, payload = 999999999999999, f.payload or '{}'
  local known = version and own and it.task and it.index and it.generation and it.attempt and it.crashes
    and it.attempt > 0 and f.description and token(f.kind or 'simulate')
  local sound = known and number(f.max_attempts, 5) and number(f.timeout_ms, 0, long)
    and number(f.deadline_ms, 0, long) and number(f.result_ttl_s, 0, long) and #payload <= 65536
    and is_utf8(f.description) and is_utf8(payload) and is_utf8(f.traceparent or '')
  return sound and it or nil
end

local function fact_line(it, fact, crashes, by, at_ms, reason)
  local line = string.format('%s %.0f %.0f %s %.0f %.0f %s %s', it.task, it.index, it.generation, fact, it.attempt,
    crashes, by, at_ms)
  return reason and line .. ' ' .. reason or line
end
