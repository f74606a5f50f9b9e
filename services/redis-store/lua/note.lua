-- Writes down who changed what.
-- KEYS  audit
-- ARGV  length_max (entries that are kept, about), count of entries; for each: at, client, operation, object, status,
--       code, address, request_id, detail
-- Answers noted, how many.
-- Appends them to the audit; called twice it has them twice, with the same request ids.
local audit = KEYS[1]
local length_max, count = number(ARGV[1], 1, ms_max), number(ARGV[2], 0, 128)

if not (length_max and count and #ARGV == 2 + 9 * count) then return refuse('count') end
redis.call('XLEN', audit)
for i = 0, count - 1 do
  local at, client, operation, object, status, code, address, request_id, detail = unpack(ARGV, 3 + 9 * i, 11 + 9 * i)
  redis.call('XADD', audit, 'MAXLEN', '~', length_max, '*', 'at', at, 'client', client, 'operation', operation,
    'object', object, 'status', status, 'code', code, 'address', address, 'request_id', request_id,
    'detail', detail)
end
return { 'noted', count }
