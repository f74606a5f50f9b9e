-- Takes one request out of a client's allowance: a bucket that holds `burst` requests and fills evenly, kept as the
-- time at which it would be full again (GCRA).
-- KEYS  rate
-- ARGV  burst (requests), window_ms (in which an empty bucket is full again)
-- Answers allowed, requests left, ms until it is full · limited, 0, ms until the next request is allowed
-- Appends nothing. Called twice it takes two.
local rate = KEYS[1]
local burst, window_ms = number(ARGV[1], 1, ms_max), number(ARGV[2], 1, ms_max)

if not (burst and window_ms) then return refuse('burst or window') end
local now, each = tonumber(now_ms()), window_ms / burst
local full_at = math.max(tonumber(redis.call('GET', rate)) or 0, now)
-- A clock that has gone back must not lock anybody out for longer than a window.
if full_at > now + window_ms then full_at = now + window_ms end
if full_at + each > now + window_ms then
  return { 'limited', 0, math.ceil(full_at + each - now - window_ms) }
end
full_at = full_at + each
redis.call('SET', rate, string.format('%.3f', full_at), 'PX', math.ceil(full_at - now) + 1000)
return { 'allowed', math.floor((now + window_ms - full_at) / each), math.ceil(full_at - now) }
