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
  const said = methods.flatMap((method) => {
    const countries = candidates[method] ?? [];
    return countries.length === 0 ? [] : [{ method, countries }];
  });
  const [first, ...weaker] = said;
  if (first === undefined) return { country: null, method: null, mismatch: [] };
  const left = weaker.reduce((kept, { countries }) => {
    const both = shared(kept, countries);
    return both.length === 0 ? kept : both;
  }, first.countries);
  const mismatch = said.flatMap((one, at) =>
    said
      .slice(at + 1)
      .filter((other) => shared(one.countries, other.countries).length === 0)
      .map(
        (other): Mismatch => ({
          methods: [one.method, other.method],
          countries: [one.countries, other.countries],
        }),
      ),
  );
  return { country: left[0] ?? null, method: first.method, mismatch };
}

const shared = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.filter((country) => b.includes(country));
