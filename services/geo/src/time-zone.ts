/** What names of zones are written like: every part begins with a capital, and none is shouted. Source: IANA tz, theory.html. */
const WRITTEN = /^(?!.*[A-Z]{5})[A-Z][A-Za-z0-9_+-]*(?:\/[A-Z][A-Za-z0-9_+-]*)*$/;

/**
 * Whether a time zone has this name, as IANA writes it. Asked of the platform, since its list has each zone under one
 * name only; but it also takes offsets, which follow no clock that changes, and names in any letters. What it calls
 * differently itself, such as Asia/Kolkata, is held to the way that names are written.
 */
export function isTimeZone(name: string): boolean {
  if (!WRITTEN.test(name)) return false;
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions();
    return timeZone === name || timeZone.toLowerCase() !== name.toLowerCase();
  } catch {
    return false;
  }
}
