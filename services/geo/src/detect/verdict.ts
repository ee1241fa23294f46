/** What a country is found by, the strongest first. Source: GEO-14: with all given, the phone number counts. */
export const methods = ["phone", "sim", "ip"] as const;
export type Method = (typeof methods)[number];

/**
 * The countries, ISO 3166-1 alpha-2, that each source may mean: several share a mobile country code or a calling
 * code. Empty: it says nothing. Null: it was not given.
 */
export type Candidates = Readonly<Record<Method, readonly string[] | null>>;

/** Two sources that have no country in common. */
export interface Mismatch {
  readonly methods: readonly [Method, Method];
  readonly countries: readonly [readonly string[], readonly string[]];
}

export interface Verdict {
  /** Null: no source says anything. */
  readonly country: string | null;
  /** The strongest source that says something. */
  readonly method: Method | null;
  readonly mismatch: readonly Mismatch[];
}

/**
 * The country that the strongest source means. Where it may mean several, the weaker ones choose among them; where
 * they have none of them in common with it, they are told as a mismatch and change nothing.
 */
export function decide(candidates: Candidates): Verdict {
  const { phone, sim, ip } = candidates;
  let method: Method | null = null;
  let left = nothing;
  for (const name of methods) {
    const countries = candidates[name] ?? nothing;
    if (countries.length === 0) continue;
    method ??= name;
    const both = left === nothing ? countries : shared(left, countries);
    if (both.length > 0) left = both;
  }
  const mismatch: Mismatch[] = [];
  compare(mismatch, ["phone", phone], ["sim", sim]);
  compare(mismatch, ["phone", phone], ["ip", ip]);
  compare(mismatch, ["sim", sim], ["ip", ip]);
  return { country: left[0] ?? null, method, mismatch };
}

const nothing: readonly string[] = [];

type Said = readonly [Method, readonly string[] | null];

function compare(mismatch: Mismatch[], [one, a]: Said, [other, b]: Said): void {
  if (a === null || b === null || a.length === 0 || b.length === 0) return;
  if (shared(a, b).length > 0) return;
  mismatch.push({ methods: [one, other], countries: [a, b] });
}

const shared = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.filter((country) => b.includes(country));
