/** What stands where personal data or a secret stood. */
export const REDACTED = "[redacted]";

/**
 * Fields whose value is personal or secret, whatever their case and separators. Source: PRV-12,
 * PRV-02.
 */
const SENSITIVE = new Set(
  `ip ipaddress ipaddresshash iphash ipprefix address remoteaddress remoteip clientip xforwardedfor forwarded
  useragent userid user username subject subjectuserid impersonateduserid impersonatorid sub
  email adminemail phone phonenumber msisdn firstname lastname fullname
  sessionid sid authentiksessionid upstreamsessionref deviceid fingerprint signals
  token accesstoken refreshtoken idtoken jwt authorization cookie setcookie password passwordhash secret
  privatekey apikey lat lon latitude longitude geohash location city
  key recordkey value payload body details evidence clientinfo sessiondata`.split(/\s+/),
);

/**
 * Text that shows what it is: e-mail addresses, JWTs, bearer tokens, phone numbers, passwords of
 * URLs.
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/[\w.+-]+@[\w-]+(\.[\w-]+)+/g, REDACTED],
  [/\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?/g, REDACTED],
  [/\bBearer\s+\S+/gi, REDACTED],
  [/\+\d[\d ]{7,17}\d/g, REDACTED],
  [/(\w+:\/\/[^\s:/@]*):[^\s@/]+@/g, `$1:${REDACTED}@`],
];

/** Deeper than this a field is cut: nobody reads it, and a cycle ends. */
const DEPTH_MAX = 8;
/** Longest text of a field, in characters. */
const TEXT_MAX = 4_096;

const nameOf = (key: string): string => key.replace(/[^A-Za-z]/g, "").toLowerCase();

/**
 * A copy of `value` without personal data: values of sensitive fields at any depth, and telling
 * patterns within text, are replaced. Errors become plain objects of type, code, message, stack and
 * cause.
 */
export function scrub(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return scrubText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "[deep]";
  if (value instanceof Error) return scrubError(value, depth);
  if (value instanceof Date) return value.toJSON();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => scrub(item, depth + 1));
  if (value instanceof Map) return scrub(Object.fromEntries(value), depth);
  const copy: Record<string, unknown> = {};
  for (const [key, held] of Object.entries(value)) {
    copy[key] = SENSITIVE.has(nameOf(key)) && !empty(held) ? REDACTED : scrub(held, depth + 1);
  }
  return copy;
}

const empty = (held: unknown): boolean => held === null || held === undefined;

function scrubText(text: string): string {
  const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
  return PATTERNS.reduce((clean, [pattern, put]) => clean.replace(pattern, put), cut);
}

function scrubError(error: Error, depth: number): object {
  const { code, cause } = error as Error & { readonly code?: unknown };
  return {
    type: error.name,
    ...(code !== undefined && { code: scrub(code, depth + 1) }),
    message: scrubText(error.message),
    stack: scrubText(error.stack ?? ""),
    ...(cause !== undefined && { cause: scrub(cause, depth + 1) }),
  };
}
