-- A timer that was sent is forgotten, unless it was set anew meanwhile. KEYS: timers. ARGV: timer, its score.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) == tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1
