-- Folds facts into the tasks they are about and acknowledges the entries they came in. HSETNX of a terminal record is
-- the gate: a counter moves only when it answers 1; a dependant is released only while it waits for that parent. So
-- order, repetition and parallel projectors change nothing, and an end that is told again tells whoever missed it.
-- A call for many tasks may be more work than Redis should do at once: then it is to come again in parts, the entry ids
-- and bad lines with the last of them.
-- KEYS  events, dead-letters, meta, lifetimes, delayed, delayed:body, cancelled, tasks:queued, tasks:processing,
--       tasks:completed, tasks:failed, tasks:cancelled, then for each queue: bell and its four streams, then for each
--       task: task hash, outcomes hash, plan
-- ARGV  group, by, task_ttl_ms, hint_ms, dead_letters_max, counts of queues, entries, bad lines and tasks; the queue
--       names; the entry ids; the bad lines (entry no, line); then for each task: task id, count of facts, and for each
--       fact: index, generation, fact, record or progress, ms
-- Answers folded, counted, progressed, duplicate, ignored (no such task, index or generation, or a hash that is no
--       task's), and for each task that this call has ended: status, ms since it was created, kind ('' if it has
--       several); or, with nothing written, keys_missing, the names of the queues that a plan needs and whose keys were
--       not given; or too_much, of how many tasks one call does the work (the first ones, one at least)
-- Appends the fact `cancelled` for what it cancels itself: dependants that are skipped, or all that is open
--       (fail_fast).
local KEYS, ARGV, tonumber = KEYS, ARGV, tonumber -- a global is looked up at each use
local events, dead_letters, meta, lifetimes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local delayed, bodies, cancelled = KEYS[5], KEYS[6], KEYS[7]
local index_of = {
  queued = KEYS[8], processing = KEYS[9], completed = KEYS[10], failed = KEYS[11], cancelled = KEYS[12],
}
local group, by, task_ttl_ms, hint_ms = ARGV[1], ARGV[2], number(ARGV[3], nil, ms_max), number(ARGV[4], nil, ms_max)
local dead_letters_max, queue_count, entry_count = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local bad_count, task_count = tonumber(ARGV[8]), tonumber(ARGV[9])
local tells = {
  completed = true, failed = true, cancelled = true, requeued = true, started = true, retrying = true, crashed = true,
  returned = true, parked = true,
}
local moves = { started = true, retrying = true }
-- Facts and dependants of one call, unless a single task has more: some 40 ms. An edge of a plan takes about so many
-- bytes.
local work_max, edge_bytes = 4000, 10

local counted = is_consumer(by) and task_ttl_ms and hint_ms and number(dead_letters_max) and queue_count and entry_count
  and bad_count and task_count and #KEYS == 12 + 5 * queue_count + 3 * task_count
if not counted then return refuse('by, numbers or counts') end
for at = 10 + queue_count, 9 + queue_count + entry_count do
  if not is_entry_id(ARGV[at]) then return refuse('entry id') end
end
local first_of, place = {}, 9 + queue_count + entry_count + 2 * bad_count
for t = 1, task_count do
  first_of[t] = place
  local fact_count = tonumber(ARGV[place + 2])
  if not fact_count or place + 2 + 5 * fact_count > #ARGV then return refuse('count of facts') end
  for at = place + 2, place + 1 + 5 * fact_count, 5 do
    local index, generation, ms = tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 5])
    local sound = index and index >= 0 and (generation == '0' or (tonumber(generation) or -1) >= 0)
      and ms and ms >= 0 and ms <= ms_max
    if not (sound and tells[ARGV[at + 3]]) then return refuse('fact') end
  end
  place = place + 2 + 5 * fact_count
end
if place ~= #ARGV then return refuse('arguments') end
redis.call('XLEN', events)
if bad_count > 0 then
  redis.call('XLEN', dead_letters)
  redis.call('HLEN', meta)
end
redis.call('ZCARD', lifetimes)
for _, index in pairs(index_of) do redis.call('ZCARD', index) end
local queues, first_task = {}, 13 + 5 * queue_count
local books, has_plan, work = {}, {}, 0

-- How many dependants the facts of a task may move at most: those of each subtask that completed, and all there are if
-- one did not.
local function dependants(book, outcomes, plan, first, last)
  local moved, skipped = 0, 0
  for at = first, last, 5 do
    local index, generation, fact = unpack(ARGV, at, at + 2)
    local edges = is_terminal[fact] and redis.call('HSTRLEN', plan, 'e:' .. index) or 0
    if edges > 0 then
      local stands = redis.call('HGET', outcomes, record_field(tonumber(index), tonumber(generation)))
      if (stands and string.match(stands, '^%l+') or fact) == 'completed' then
        moved = moved + math.ceil(edges / edge_bytes)
      else
        skipped = book.total
      end
    end
  end
  return moved + skipped
end

for t = 1, task_count do
  local first = first_task + 3 * (t - 1)
  books[t] = read_task(KEYS[first])
  work = work + tonumber(ARGV[first_of[t] + 2])
  redis.call('HLEN', KEYS[first + 1])
  local named = redis.call('HGET', KEYS[first + 2], 'queues')
  if named then
    has_plan[t] = ' ' .. named .. ' '
    if not next(queues) then queues = queues_of(10, queue_count, 13) end
    redis.call('ZCARD', delayed)
    redis.call('HLEN', bodies)
    redis.call('ZCARD', cancelled)
    for name in string.gmatch(named, '%S+') do
      if queues[name] then
        guard_queue(queues[name])
      elseif token(name) then
        return { 'keys_missing', named }
      end
    end
    if books[t] then
      local facts_at, count = first_of[t] + 3, tonumber(ARGV[first_of[t] + 2])
      work = work + dependants(books[t], KEYS[first + 1], KEYS[first + 2], facts_at, facts_at - 1 + 5 * count)
    end
  end
  if t > 1 and work > work_max then return { 'too_much', t - 1 } end
end

if entry_count == 0 then redis.call('XACK', events, group, '0-0') end -- a first write that is never out of memory
local at, live = 9 + queue_count, {}
for e = 1, entry_count do
  live[e] = redis.call('XACK', events, group, ARGV[at + e]) == 1 and ARGV[at + e]
end
at = at + entry_count
for _ = 1, bad_count do
  local entry_id = live[tonumber(ARGV[at + 1])]
  if entry_id then
    add_dead_letter(dead_letters, meta, dead_letters_max, 'malformed_fact', '', by, events .. ' ' .. entry_id,
      { 'line', ARGV[at + 2] })
  end
  at = at + 2
end

-- The greater of two progress lines: generation, attempt, crashes and ms as numbers, then fact and worker as text.
local function greater(one, other)
  if not one or one == other then return other end
  local a, b = { string.match(one, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+)$') },
    { string.match(other, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+)$') }
  for i = 1, 6 do
    local x, y = a[i], b[i]
    if i <= 4 then x, y = tonumber(x), tonumber(y) end
    if x ~= y then return y and (x == nil or y > x) and other or one end
  end
  return one
end

local now, lines, about = now_ms(), {}, {}

-- Adds an entry that waits for nothing any more to its stream, which its plan has to name: whether another task of this
-- call brought the key along must not matter. What a hand broke stays, and an audit names it.
local function add_ready(plan, named, child)
  local queue, fields, rank = unpack_body(redis.call('HGET', plan, 'b:' .. child))
  queue = queue and string.find(named, ' ' .. queue .. ' ', 1, true) and queues[queue]
  if not queue then
    redis.call('HSET', plan, 'w:' .. child, ',')
    return false
  end
  redis.call('HDEL', plan, 'b:' .. child, 'w:' .. child)
  redis.call('XADD', queue.streams[rank], '*', unpack(fields))
  queue.added = queue.added + 1
  return true
end

-- Whether an index has completed in its current generation.
local function has_completed(outcomes, index)
  local generation = current_generation(redis.call('HGET', outcomes, 'g:' .. index))
  local record = redis.call('HGET', outcomes, record_field(tonumber(index), generation))
  return record and string.match(record, '^%l+') == 'completed'
end

-- What the ends of some subtasks mean for those that depend on them: adds what is ready, cancels what is skipped or,
-- where an edge says so, everything that is open; says whether that changed anything. `ended` grows while it is walked:
-- who is skipped has ended too.
local function release(task_id, book, outcomes, plan, named, ended)
  local waits, waited, touched, skipped, fails_fast, at, seen = {}, {}, {}, {}, false, 1, {}
  while ended[at] do
    local parent, outcome = ended[at][1], ended[at][2]
    local edges = not seen[parent] and redis.call('HGET', plan, 'e:' .. parent) or '' -- told twice, it is walked once
    at, seen[parent] = at + 1, true
    for child, on_failure in string.gmatch(edges, '(%d+):([%l_]+)') do
      if waits[child] == nil then
        -- false: it does not wait any more, or is no subtask of this plan
        waits[child] = tonumber(child) < book.total and redis.call('HGET', plan, 'w:' .. child)
        waited[child] = waits[child]
        if waits[child] then touched[#touched + 1] = child end
      end
      local from, to = string.find(waits[child] or '', ',' .. parent .. ',', 1, true)
      if outcome ~= 'completed' and on_failure == 'fail_fast' then
        -- Also if another parent had it skipped.
        fails_fast = fails_fast or tonumber(child) < book.total and not has_completed(outcomes, child)
      elseif not from then -- it does not wait for this one
      elseif outcome == 'completed' or on_failure == 'continue' then
        waits[child] = string.sub(waits[child], 1, from) .. string.sub(waits[child], to + 1)
      else
        waits[child] = false
        local generation = current_generation(redis.call('HGET', outcomes, 'g:' .. child))
        if redis.call('HEXISTS', outcomes, record_field(tonumber(child), generation)) == 0 then
          skipped[#skipped + 1] = { tonumber(child), generation }
          ended[#ended + 1] = { child, 'cancelled' }
        end
      end
    end
  end
  if #skipped > 0 then
    table.sort(skipped, function(one, other) return one[1] < other[1] end)
    record_cancelled(outcomes, delayed, bodies, task_id, skipped, now, 'skipped')
    cancelled_lines(lines, about, task_id, skipped, by, now, 'skipped')
  end
  local open = {}
  if fails_fast then
    open = open_indexes(outcomes, book.total)
    redis.call('UNLINK', plan)
  end
  if #open > 0 then
    local deadline = tonumber(redis.call('ZSCORE', lifetimes, task_id) or 0)
    record_cancelled(outcomes, delayed, bodies, task_id, open, now, 'fail_fast')
    cancelled_lines(lines, about, task_id, open, by, now, 'fail_fast')
    redis.call('ZADD', cancelled, string.format('%.0f', math.max(deadline, now + hint_ms)), task_id)
  end
  local changed = fails_fast
  for _, child in ipairs(fails_fast and {} or touched) do
    changed = changed or waits[child] ~= waited[child]
    if not waits[child] then
      redis.call('HDEL', plan, 'b:' .. child, 'w:' .. child)
    elseif waits[child] == ',' then
      changed = add_ready(plan, named, child) or changed
    else
      redis.call('HSET', plan, 'w:' .. child, waits[child])
    end
  end
  if #skipped + #open > 0 then
    book.cancelled = book.cancelled + #skipped + #open
    book.updated_at, book.outcome_at = math.max(book.updated_at, now), math.max(book.outcome_at, now)
  end
  return changed
end

local counted, progressed, duplicate, ignored, ends = 0, 0, 0, 0, {}
for t = 1, task_count do
  local first = first_task + 3 * (t - 1)
  local task, outcomes, plan, book = KEYS[first], KEYS[first + 1], KEYS[first + 2], books[t]
  local task_id, known = ARGV[first_of[t] + 1], book and index_of[book.status]
  local changed, moved, told_off, ended = false, false, {}, {}
  local total, generations = known and book.total or 0, known and book.generations
  local updated_at, outcome_at = known and book.updated_at, known and book.outcome_at
  for fact_at = first_of[t] + 3, first_of[t] + 2 + 5 * tonumber(ARGV[first_of[t] + 2]), 5 do
    local index, generation, fact, value, ms = unpack(ARGV, fact_at, fact_at + 4)
    local current = generations and current_generation(redis.call('HGET', outcomes, 'g:' .. index)) or 0
    local field = generation == '0' and index or index .. '@' .. generation
    generation, ms = tonumber(generation), tonumber(ms)
    if tonumber(index) >= total or generation > current then
      ignored = ignored + 1
    else
      if ms > updated_at then updated_at = ms end
      if is_terminal[fact] then
        moved = true
        if redis.call('HSETNX', outcomes, field, value) == 1 and generation == current then
          book[fact], counted, changed = book[fact] + 1, counted + 1, true
          if ms > outcome_at then outcome_at = ms end
          told_off[#told_off + 1] = '~' .. index
          if has_plan[t] then ended[#ended + 1] = { index, fact } end
        else
          duplicate = duplicate + 1
          local record = has_plan[t] and generation == current and redis.call('HGET', outcomes, field)
          local outcome = record and string.match(record, '^%l+')
          if is_terminal[outcome] then ended[#ended + 1] = { index, outcome } end -- the first stands
        end
      elseif fact == 'requeued' then
        progressed, moved = progressed + 1, true
      elseif generation ~= current or redis.call('HEXISTS', outcomes, field) == 1 then
        duplicate = duplicate + 1
      else
        local told = redis.call('HGET', outcomes, '~' .. index)
        local newest = greater(told, value)
        if newest ~= told then
          redis.call('HSET', outcomes, '~' .. index, newest)
          changed = true
        end
        progressed, moved = progressed + 1, moved or moves[fact]
      end
    end
  end
  for first_told = 1, #told_off, 1000 do
    redis.call('HDEL', outcomes, unpack(told_off, first_told, math.min(first_told + 999, #told_off)))
  end
  if known then
    local is_newer = updated_at > book.updated_at
    book.updated_at, book.outcome_at = updated_at, outcome_at
    if #ended > 0 and release(task_id, book, outcomes, plan, has_plan[t], ended) then changed = true end
    if moved and book.status == 'queued' then book.status = 'processing' end
    if changed or is_newer or book.status ~= book.was then
      local ended = write_task(task, task_id, book, index_of, lifetimes, task_ttl_ms)
      if ended then
        redis.call('UNLINK', plan)
        for _, word in ipairs(ended) do ends[#ends + 1] = word end
      end
    end
  end
end
append_facts(events, by, lines, about)
for _, queue in pairs(queues) do ring(queue.bell, queue.added) end
local answer = { 'folded', counted, progressed, duplicate, ignored }
for _, word in ipairs(ends) do answer[#answer + 1] = word end
return answer
