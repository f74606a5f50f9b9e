-- Shared by every script and put in front of each: the clock, the bell, the log, dead letters, how an entry is read, how
-- a task's counters become its status, what cancels what is still open.

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
  if trimmed > 0 then redis.call('HINCRBY', meta, 'dead_letters_trimmed', trimmed) end
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

-- Whether it is a list of parents, `name=index:on_failure` with commas between, at most 50.
local function is_parents(text)
  if not text or text == '' then return true end
  local count = 0
  for part in string.gmatch(text .. ',', '([^,]*),') do
    local name, index, on_failure = string.match(part, '^([%w_.%-]+)=(%d+):([%l_]+)$')
    count = count + 1
    local known = on_failure == 'fail_fast' or on_failure == 'skip' or on_failure == 'continue'
    if not (known and token(name) and number(index) and count <= 50) then return false end
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
  local long, payload = 999999999999999, f.payload or '{}'
  local known = version and own and it.task and it.index and it.generation and it.attempt and it.crashes
    and it.attempt > 0 and f.description and token(f.kind or 'simulate')
  local sound = known and number(f.max_attempts, 5) and number(f.timeout_ms, 0, long)
    and number(f.deadline_ms, 0, long) and number(f.backoff_base_ms, 0, long) and number(f.backoff_cap_ms, 0, long)
    and number(f.result_ttl_s, 0, long) and number(f.parked_at, 0, long) and is_parents(f.parents) and #payload <= 65536
    and is_utf8(f.description) and is_utf8(payload) and is_utf8(f.traceparent or '') and is_utf8(f.history or '')
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

-- Adds a line to what an entry keeps of the attempts before it: at most 16, the newest.
local function remember(fields, it, fact, crashes, by, at_ms, reason)
  local at = place_of(fields, 'history')
  local line = string.format('%.0f %.0f %s %s %s', it.attempt, crashes, fact, at_ms, by)
  local history = (at and fields[at] ~= '' and fields[at] .. '\n' or '') .. line .. (reason and ' ' .. reason or '')
  local _, breaks = string.gsub(history, '\n', '')
  for _ = 16, breaks do history = string.gsub(history, '^[^\n]*\n', '') end
  set_field(fields, 'history', history)
end

-- The field of `outcomes` that keeps the record of a generation.
local function record_field(index, generation)
  return tonumber(generation) == 0 and string.format('%.0f', index) or string.format('%.0f@%.0f', index, generation)
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

-- Queue, fields and rank of priority out of such a text; nil if it is none.
local function unpack_body(text)
  local is_json, body = pcall(cjson.decode, text or '')
  if not is_json or type(body) ~= 'table' or #body < 3 or #body % 2 == 0 or #body > 2 * fields_max + 1 then return nil end
  for i = 1, #body do
    if type(body[i]) ~= 'string' then return nil end
  end
  local queue = token(table.remove(body, 1))
  local at = place_of(body, 'priority')
  local rank = ({ critical = 1, high = 2, medium = 3, low = 4 })[at and body[at] or 'medium']
  if not queue or not rank then return nil end
  return queue, body, rank
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

local is_terminal = { completed = true, failed = true, cancelled = true }

-- A task's hash as numbers; nil if it is no task's.
local function read_task(task)
  local head = redis.call('HMGET', task, 'total', 'status', 'completed', 'failed', 'cancelled', 'created_at', 'updated_at',
    'outcome_at', 'revision', 'generations')
  local total, created_at = number(head[1] or nil), number(head[6] or nil, nil, 999999999999999)
  if not total or not created_at or not head[2] then return nil end
  return {
    total = total, status = head[2], was = head[2], created_at = created_at, updated_at = tonumber(head[7]) or 0,
    completed = tonumber(head[3]) or 0, failed = tonumber(head[4]) or 0, cancelled = tonumber(head[5]) or 0,
    outcome_at = tonumber(head[8]) or 0, revision = tonumber(head[9]) or 0, generations = head[10],
  }
end

-- Writes counters, times and what status follows from them, and moves the task in the indexes; says whether it has ended.
local function write_task(task, task_id, book, index_of, lifetimes, task_ttl_ms)
  local finished, ended = {}, false
  if not is_terminal[book.status] and book.completed + book.failed + book.cancelled == book.total then
    book.status = book.failed > 0 and 'failed' or book.cancelled > 0 and 'cancelled' or 'completed'
    finished, ended = { 'finished_at', string.format('%.0f', book.outcome_at) }, true
    redis.call('ZADD', lifetimes, string.format('%.0f', book.outcome_at + task_ttl_ms), task_id)
  end
  redis.call('HSET', task, 'status', book.status, 'completed', book.completed, 'failed', book.failed, 'cancelled',
    book.cancelled, 'updated_at', string.format('%.0f', book.updated_at), 'outcome_at',
    string.format('%.0f', book.outcome_at), 'revision', string.format('%.0f', book.revision + 1), unpack(finished))
  if book.status ~= book.was then
    redis.call('ZREM', index_of[book.was], task_id)
    redis.call('ZADD', index_of[book.status], book.created_at, task_id)
  end
  return ended
end

-- The fact lines of indexes that were cancelled at once, in their order: neighbours of one generation share a line.
local function cancelled_lines(lines, task_id, gone, by, at_ms, reason)
  local at = 1
  while gone[at] do
    local last = at
    while gone[last + 1] and gone[last + 1][1] == gone[last][1] + 1 and gone[last + 1][2] == gone[at][2] do
      last = last + 1
    end
    local place = string.format(last > at and '%.0f-%.0f' or '%.0f', gone[at][1], gone[last][1])
    lines[#lines + 1] = string.format('%s %s %.0f cancelled 0 0 %s %s%s', task_id, place, gone[at][2], by, at_ms,
      reason == '' and '' or ' ' .. reason)
    at = last + 1
  end
end

-- Every index without a record of its current generation, in order, with that generation.
local function open_indexes(outcomes, total)
  local kept, open = {}, {}
  local flat = redis.call('HGETALL', outcomes)
  for i = 1, #flat, 2 do kept[flat[i]] = flat[i + 1] end
  for index = 0, total - 1 do
    local generation = number(kept[string.format('g:%.0f', index)], 0) or 0
    if not kept[record_field(index, generation)] then open[#open + 1] = { index, generation } end
  end
  return open
end

-- Records indexes as cancelled and removes what of them waits for its time.
local function record_cancelled(outcomes, delayed, bodies, task_id, gone, at_ms, reason)
  local text = 'cancelled 0 0 ' .. at_ms .. (reason == '' and '' or ' ' .. reason)
  for first = 1, #gone, 500 do
    local records, told, ids = {}, {}, {}
    for i = first, math.min(first + 499, #gone) do
      local index, generation = gone[i][1], gone[i][2]
      records[#records + 1], records[#records + 2] = record_field(index, generation), text
      told[#told + 1] = string.format('~%.0f', index)
      ids[#ids + 1] = string.format('%s-%.0f', task_id, index)
    end
    redis.call('HDEL', outcomes, unpack(told))
    redis.call('HSET', outcomes, unpack(records))
    redis.call('ZREM', delayed, unpack(ids))
    redis.call('HDEL', bodies, unpack(ids))
  end
end
