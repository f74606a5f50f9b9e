-- Shared by the scripts that look at a task as a whole: how its counters become its status, what ends what is still
-- open.

-- A task has at most so many subtasks: no loop over one is longer.
local subtasks_max = 1000

-- A number that arithmetic can do no harm to, 0 for nonsense: quicker than `number`, and every fold asks for six.
local function sane(text)
  local value = tonumber(text)
  return value and value >= 0 and value <= ms_max and value or 0
end

-- A task's hash as numbers, what a hand broke as 0; nil if it is no task's.
local function read_task(task)
  local head = redis.call('HMGET', task, 'total', 'status', 'completed', 'failed', 'cancelled', 'created_at',
    'updated_at', 'outcome_at', 'revision', 'generations')
  local total, created_at = number(head[1], nil, subtasks_max), number(head[6], nil, ms_max)
  if not total or not created_at or not head[2] then return nil end
  return {
    total = total, status = head[2], was = head[2], created_at = created_at, generations = head[10],
    completed = sane(head[3]), failed = sane(head[4]), cancelled = sane(head[5]), updated_at = sane(head[7]),
    outcome_at = sane(head[8]), revision = sane(head[9]),
  }
end

-- The current generation of an index, nonsense read as 0.
local function current_generation(text)
  return number(text, 0) or 0
end

-- Writes counters, times and what status follows from them, and moves the task in the indexes. Of a task that this ends
-- it answers three words: status, ms since it was created, kind ('' if it has several); of any other nothing.
local function write_task(task, task_id, book, index_of, lifetimes, task_ttl_ms)
  local finished, ended = {}, nil
  if not is_terminal[book.status] and book.completed + book.failed + book.cancelled == book.total then
    book.status = book.failed > 0 and 'failed' or book.cancelled > 0 and 'cancelled' or 'completed'
    finished = { 'finished_at', string.format('%.0f', book.outcome_at) }
    local took, kind = math.max(book.outcome_at - book.created_at, 0), token(redis.call('HGET', task, 'kinds'))
    ended = { book.status, string.format('%.0f', took), kind or '' }
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

-- The fact lines of indexes that were cancelled at once, in their order: neighbours of one generation share a line, and
-- `about` says how many.
local function cancelled_lines(lines, about, task_id, gone, by, at_ms, reason)
  local at = 1
  while gone[at] do
    local last = at
    while gone[last + 1] and gone[last + 1][1] == gone[last][1] + 1 and gone[last + 1][2] == gone[at][2] do
      last = last + 1
    end
    local place = string.format(last > at and '%.0f-%.0f' or '%.0f', gone[at][1], gone[last][1])
    lines[#lines + 1] = string.format('%s %s %.0f cancelled 0 0 %s %s%s', task_id, place, gone[at][2], by, at_ms,
      reason == '' and '' or ' ' .. reason)
    about[#lines] = last - at + 1
    at = last + 1
  end
end

-- Every index without a record of its current generation, in order, with that generation.
local function open_indexes(outcomes, total)
  local kept, open = {}, {}
  local flat = redis.call('HGETALL', outcomes)
  for i = 1, #flat, 2 do kept[flat[i]] = flat[i + 1] end
  for index = 0, total - 1 do
    local generation = current_generation(kept[string.format('g:%.0f', index)])
    if not kept[record_field(index, generation)] then open[#open + 1] = { index, generation } end
  end
  return open
end

-- Records indexes as cancelled and removes what of them waits for its time.
local function record_cancelled(outcomes, delayed, bodies, task_id, gone, at_ms, reason)
  local text = string.sub('cancelled 0 0 ' .. at_ms .. (reason == '' and '' or ' ' .. reason), 1, 64)
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
