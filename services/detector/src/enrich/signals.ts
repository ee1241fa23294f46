/** Signals of a fingerprint by name, as in the contract's map. */
export type Signals = Readonly<Record<string, string>>;

/** What a User-Agent header tells; "" where it tells nothing. */
export interface UserAgent {
  readonly os: string;
  readonly osVersion: string;
  readonly browser: string;
  readonly browserVersion: string;
  /** desktop, mobile, tablet, tv, bot. */
  readonly platform: string;
}

/** What the signals lack of system and browser is taken from the user agent; what they have wins. */
export function withUserAgent(signals: Signals, agent: UserAgent | null): Signals {
  if (agent === null) return signals;
  const { os, osVersion, browser, browserVersion, platform } = agent;
  const filled: Record<string, string> = {};
  if (signals.os === undefined) {
    if (os !== "") filled.os = os;
    if (osVersion !== "") filled.os_version = osVersion;
    if (platform !== "") filled.platform = platform;
  }
  if (signals.browser === undefined) {
    if (browser !== "") filled.browser = browser;
    if (browserVersion !== "") filled.browser_version = browserVersion;
  }
  return { ...filled, ...signals };
}

/** Names under which the same family of systems is reported. */
const families: Readonly<Record<string, string>> = {
  "mac os": "macos",
  "mac os x": "macos",
  "os x": "macos",
  osx: "macos",
  ipados: "ios",
  "iphone os": "ios",
  "chrome os": "chromeos",
  "google chrome": "chrome",
  "mobile safari": "safari",
  "microsoft edge": "edge",
};

/** "Windows 10" and "windows" are one family; so are "iPadOS" and "iOS". */
export function familyOf(name: string): string {
  const bare = name
    .toLowerCase()
    .replace(/[\d._]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return families[bare] ?? bare;
}

/** Signals that a device cannot change without being another one. */
const identifying: Readonly<Record<string, (value: string) => string>> = {
  os: familyOf,
  platform: familyOf,
  browser: familyOf,
  device_model: (value) => value.trim().toLowerCase(),
};

export interface Comparison {
  /** 0..1. */
  readonly similarity: number;
  /** Names of the signals that differ. */
  readonly changed: readonly string[];
}

/**
 * How much two fingerprints of one device are alike: 0 when system, platform, browser family or model differ, else
 * the share of equal signals among those both have; a version that grew counts as equal, one that fell does not.
 * Null when they have no signal in common.
 */
export function compareSignals(older: Signals, newer: Signals): Comparison | null {
  let shared = 0;
  let another = false;
  const changed: string[] = [];
  for (const [name, before] of Object.entries(older)) {
    const now = newer[name];
    if (now === undefined) continue;
    shared++;
    if (isUnchanged(name, before, now)) continue;
    changed.push(name);
    if (Object.hasOwn(identifying, name)) another = true;
  }
  if (shared === 0) return null;
  return { similarity: another ? 0 : (shared - changed.length) / shared, changed };
}

function isUnchanged(name: string, before: string, now: string): boolean {
  if (before === now) return true;
  const identity = Object.hasOwn(identifying, name) ? identifying[name] : undefined;
  if (identity !== undefined) return identity(before) === identity(now);
  return name.endsWith("_version") && compareVersions(before, now) <= 0;
}

/** Below 0 when `a` is the lower version. Only their numbers count: "web-2026.10.3" is 2026, 10, 3. */
export function compareVersions(a: string, b: string): number {
  const left = a.match(/\d+/g);
  const right = b.match(/\d+/g);
  // Without numbers there is no order: any change is a difference.
  if (left === null || right === null) return a === b ? 0 : 1;
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = Number(left[i] ?? 0) - Number(right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
