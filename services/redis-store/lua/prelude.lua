-- Shared by every script and put in front of each: the clock, the bell, and what a fact line says of an entry.

local function now_ms()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
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

local function append_facts(events, by, lines)
  if #lines > 0 then
    redis.call('XADD', events, '*', 'v', '1', 'by', by, 'facts', table.concat(lines, '\n'))
  end
end

local function token(text)
  return text and #text <= 64 and string.find(text, '^[%w_.%-]+$') and text
end

local function number(text, default)
  if not text then return default end
  local value = #text <= 15 and string.find(text, '^%d+$') and tonumber(text)
  return value and value <= 4294967295 and value
end

-- Task, index, generation, attempt and crashes of an entry's fields, hand-written ones defaulted as in the reader's
-- decode; nil if the entry is malformed, false if a newer Millstream wrote it.
local function identify(fields)
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
  local whole = version and own and it.task and it.index and it.generation and it.attempt and it.crashes
  local sound = whole and it.attempt > 0 and f.description and token(f.kind or 'simulate')
  return sound and it or nil
end

local function fact_line(it, fact, crashes, by, at_ms, reason)
  local line = string.format('%s %.0f %.0f %s %.0f %.0f %s %s', it.task, it.index, it.generation, fact, it.attempt,
    crashes, by, at_ms)
  return reason and line .. ' ' .. reason or line
end
