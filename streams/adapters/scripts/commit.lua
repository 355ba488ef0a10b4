-- One step of one key, all or nothing; every key named here carries the same hash tag, hence one slot.
-- KEYS: place, state, applied, timers, listing
-- ARGV: a MessagePack array of
--   event, version, mark, known mark, known commit "seq:event" ("" none), its ring field, length of the ring,
--   outbox, listing member, listing score ("" unchanged, "-" off),
--   {part, value, ...}, {part, ...}, {score, timer, ...}, {timer, ...}
-- Replies {1, seq} written, {0, 0} version moved or applied before, {-1, 0} the store lost what it had acknowledged.
local event, version, given, known, commit, ring_field, ring, said, member, score, parts, gone, timers, cancelled =
  unpack(cmsgpack.unpack(ARGV[1]))
local held = redis.call('HMGET', KEYS[1], 'mark', 'seq', ring_field)
local mark, seq = tonumber(held[1] or '-1'), tonumber(held[2] or '0')
if known > 0 and mark < known then return {-1, 0} end
if commit ~= '' and held[3] ~= commit then return {-1, 0} end
if tonumber(redis.call('HGET', KEYS[2], '#v') or '0') ~= version then return {0, 0} end
if redis.call('SADD', KEYS[3], event) == 0 then return {0, 0} end

local function in_groups(list, command, key)
  for from = 1, #list, 500 do
    redis.call(command, key, unpack(list, from, math.min(from + 499, #list)))
  end
end

in_groups(parts, 'HSET', KEYS[2])
in_groups(gone, 'HDEL', KEYS[2])
in_groups(timers, 'ZADD', KEYS[4])
in_groups(cancelled, 'ZREM', KEYS[4])
redis.call('HSET', KEYS[2], '#v', string.format('%d', version + 1), '#last', event, '#said', said)
if score == '-' then
  redis.call('ZREM', KEYS[5], member)
elseif score ~= '' then
  redis.call('ZADD', KEYS[5], score, member)
end
local written = string.format('%d', seq + 1)
redis.call('HSET', KEYS[1], 'seq', written, 'c' .. ((seq + 1) % ring), written .. ':' .. event,
  'mark', string.format('%d', math.max(mark, given)))
return {1, seq + 1}
