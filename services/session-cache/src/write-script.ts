/** PostgreSQL is believed while it lags by less than 5 s, so within this nobody reads an older word any more. */
const MARKER_OUTLASTS_MS = 60_000;

/**
 * Takes the records of one partition and moves its offset, in one step of Redis.
 * KEYS: progress, live, then the session of each record.
 * ARGV: now in ms, partition, first offset that this call covers, next offset, then for each record: version, status
 *   ('' for a removed record), idle end, until when the text is kept, the text.
 * Returns: {1, next} taken; {0, held} somebody was further already; {-1, held} Redis holds less than it did: nothing
 *   was written, reading has to go on from `held`.
 */
export const WRITE_SCRIPT = `
local progress, live = KEYS[1], KEYS[2]
local now, partition = tonumber(ARGV[1]), ARGV[2]
local from, upto = tonumber(ARGV[3]), tonumber(ARGV[4])

local held = tonumber(redis.call('HGET', progress, 'offset:' .. partition) or '0')
if held < from then return {-1, held} end
if held > from and held >= upto then return {0, held} end

-- Version and status of what is held, or nothing.
local function heldOf(session)
  return string.match(redis.call('GET', session) or '', '^(%d+) (%S+)')
end

local outlasting = ${MARKER_OUTLASTS_MS}
local function forget(session)
  local _, status = heldOf(session)
  if not status then return end
  if status == 'ACTIVE' then
    redis.call('DEL', session)
    redis.call('ZREM', live, session)
  elseif redis.call('PTTL', session) > outlasting then
    -- The marker of an ended session stays for as long as what a reader holds may be older.
    redis.call('PEXPIRE', session, outlasting)
  end
end

local at = 5
for i = 3, #KEYS do
  local session = KEYS[i]
  local version, status = ARGV[at], ARGV[at + 1]
  local idle, kept = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local text = ARGV[at + 4]
  at = at + 5
  if status == '' then
    forget(session)
  elseif tonumber(version) > tonumber(heldOf(session) or '0') then
    if kept <= now then
      redis.call('DEL', session)
    else
      redis.call('SET', session, text)
      redis.call('PEXPIREAT', session, kept)
    end
    if kept > now and status == 'ACTIVE' then
      redis.call('ZADD', live, idle, session)
    else
      redis.call('ZREM', live, session)
    end
  end
end

redis.call('HSET', progress, 'offset:' .. partition, upto)
return {1, upto}
`;
