-- All that is held of a key goes with its timer, unless that was set anew or cancelled meanwhile.
-- KEYS: timers, state, applied, listing. ARGV: timer, its score, listing member.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[4], ARGV[3])
return 1
