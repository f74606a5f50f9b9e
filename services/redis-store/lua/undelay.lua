-- Removes from `delayed` what is nobody's token: a member without a body, one whose body cannot be read (it becomes a
-- dead letter), or one of a subtask that has ended.
-- KEYS  delayed, delayed:body, dead-letters, meta, outcomes (of the task that the body names)
-- ARGV  by, member, task_id ('' if the body names none), dead_letters_max
-- Answers removed · kept (it is a token, or a newer Millstream's) · gone (no such member)
local delayed, bodies, dead_letters, meta, outcomes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local by, member, task_id, dead_letters_max = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

redis.call('XLEN', dead_letters)
redis.call('HLEN', meta)
if not (is_consumer(by) and number(dead_letters_max)) then return refuse('by or bound') end
if not redis.call('ZSCORE', delayed, member) then return 'gone' end
local text = redis.call('HGET', bodies, member)
local _, fields = unpack_body(text)
local it = fields and identify(fields)
local is_its = it and it.task == task_id
local has_ended = is_its and redis.call('HEXISTS', outcomes, record_field(it.index, it.generation)) == 1
if it == false or it and not has_ended then return 'kept' end

redis.call('ZREM', delayed, member)
redis.call('HDEL', bodies, member)
if text and not it then
  add_dead_letter(dead_letters, meta, dead_letters_max, 'malformed', '', by, delayed .. ' ' .. member, { 'body', text })
end
return 'removed'
