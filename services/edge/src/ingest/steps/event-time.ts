/**
 * RFC 3339 with date, time and offset: what ISO 8601 leaves open (week dates, local times) has no one meaning.
 * Seconds and their fraction may be missing.
 */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch of such a text, or null when it names no time. */
export function instantMs(given: string): number | null {
  if (!INSTANT.test(given)) return null;
  const ms = Date.parse(given);
  if (Number.isNaN(ms) || !dayExists(given)) return null;
  return ms;
}

/** Date.parse takes 31 February for 3 March. */
function dayExists(given: string): boolean {
  const day = given.slice(0, 10);
  const midnight = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(day);
}
