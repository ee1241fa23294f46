/**
 * Judges the Origin header of a browser (CNF-30).
 * Shape: exact origins as https://app.example, one-level wildcards as https://*.example.
 * A wildcard stands for one label: https://a.example fits, https://a.b.example and https://example do not.
 */
export function originMatcher(allowed: readonly string[]): (origin: string | undefined) => boolean {
  const exact = new Set(allowed.filter((origin) => !origin.includes("*")).map(lower));
  const patterns = allowed.filter((origin) => origin.includes("*")).map(wildcard);
  return (origin) => {
    if (origin === undefined) return false;
    const name = lower(origin);
    return exact.has(name) || patterns.some((pattern) => pattern.test(name));
  };
}

const lower = (origin: string): string => origin.toLowerCase();

function wildcard(origin: string): RegExp {
  const escaped = lower(origin).replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace("*", "[a-z0-9-]+")}$`);
}
