/** Modes that look at who signed the server. Source: libpq, SSL mode descriptions. */
export const VERIFYING: ReadonlySet<string> = new Set(["verify-ca", "verify-full"]);
const MODES = ["disable", "require", ...VERIFYING];
/** Parameters with which pg would set aside our own role, schema and TLS. */
const OVERRIDING = /^(options|uselibpqcompat|ssl(?!mode$).*)$/;

/** Shape: a URL. libpq's own default, prefer, would fall back to clear text: it is not taken. */
export const sslmodeOf = (url: string): string =>
  new URL(url).searchParams.get("sslmode") ?? "disable";

/** What a URL of PostgreSQL says that is not taken, or null; completes a sentence. */
export function urlFault(url: string): string | null {
  const sslmode = sslmodeOf(url);
  if (!MODES.includes(sslmode)) return `has sslmode ${sslmode}, expected ${MODES.join(", ")}`;
  const other = [...new URL(url).searchParams.keys()].find((name) => OVERRIDING.test(name));
  return other === undefined ? null : `has ${other}; encryption is set by sslmode alone`;
}
