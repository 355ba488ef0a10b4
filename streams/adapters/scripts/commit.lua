-- One step of one key, all or nothing; every key named here carries the same hash tag, hence one slot.
-- KEYS: place, state, applied, timers, listing
-- ARGV: event, version, mark, known mark, known commit "seq:event" ("" none), its ring field, outbox,
--       listing score ("" unchanged, "-" off), listing member, length of the ring,
--       n, n * (part, value), n, n * part, n, n * (score, timer), n, n * timer
-- Replies {1, seq} written, {0, 0} version moved or applied before, {-1, 0} the store lost what it had acknowledged.
local held = redis.call('HMGET', KEYS[1], 'mark', 'seq', ARGV[6])
local mark, seq = tonumber(held[1] or '-1'), tonumber(held[2] or '0')
local given, known = tonumber(ARGV[3]), tonumber(ARGV[4])
if known > 0 and mark < known then return {-1, 0} end
if ARGV[5] ~= '' and held[3] ~= ARGV[5] then return {-1, 0} end
if tonumber(redis.call('HGET', KEYS[2], '#v') or '0') ~= tonumber(ARGV[2]) then return {0, 0} end
if redis.call('SADD', KEYS[3], ARGV[1]) == 0 then return {0, 0} end

local at = 11
local function in_groups(width, call)
  local last = at + tonumber(ARGV[at]) * width
  at = at + 1
  while at <= last do
    local upto = math.min(last, at + 499)
    call(unpack(ARGV, at, upto))
    at = upto + 1
  end
end

in_groups(2, function(...) redis.call('HSET', KEYS[2], ...) end)
in_groups(1, function(...) redis.call('HDEL', KEYS[2], ...) end)
in_groups(2, function(...) redis.call('ZADD', KEYS[4], ...) end)
in_groups(1, function(...) redis.call('ZREM', KEYS[4], ...) end)
redis.call('HSET', KEYS[2], '#v', string.format('%d', tonumber(ARGV[2]) + 1), '#last', ARGV[1], '#said', ARGV[7])
if ARGV[8] == '-' then
  redis.call('ZREM', KEYS[5], ARGV[9])
elseif ARGV[8] ~= '' then
  redis.call('ZADD', KEYS[5], ARGV[8], ARGV[9])
end
seq = seq + 1
local written = string.format('%d', seq)
redis.call('HSET', KEYS[1], 'seq', written, 'c' .. (seq % tonumber(ARGV[10])), written .. ':' .. ARGV[1],
  'mark', given > mark and ARGV[3] or held[1])
return {1, seq}
