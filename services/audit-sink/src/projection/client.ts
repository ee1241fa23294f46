import bowser from "bowser";

/** AUD-11: marks a user agent that is absent. */
const UNKNOWN = "unknown";
/** One that is there and tells nothing of the kind of client. */
const OTHER = "other";

/** Agents repeat; a parse takes 20 µs. About 1 MB when full. */
const CLIENTS_MAX = 4_096;
const parsed = new Map<string, string>();

/** CNF-20: of a user agent only what many share, `Chrome, macOS`: no version, no device. */
export function clientOf(userAgent: string | null): string {
  if (userAgent === null || userAgent === "" || userAgent === UNKNOWN) return UNKNOWN;
  const known = parsed.get(userAgent);
  if (known !== undefined) return known;
  const { browser, os } = bowser.parse(userAgent);
  const names = [browser.name, os.name].filter((name) => name !== undefined && name !== "");
  const client = names.length === 0 ? OTHER : names.join(", ");
  if (parsed.size >= CLIENTS_MAX) parsed.clear();
  parsed.set(userAgent, client);
  return client;
}
