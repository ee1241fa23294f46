import type { StoredCountry } from "./country.ts";
import type { CountryStore } from "./country-store.ts";
import { seed } from "./matrix.ts";

/** As the migration writes them. */
export const seededRows: readonly StoredCountry[] = seed.map((country) => ({
  country,
  version: 1,
  updatedAtMs: 0,
  updatedBy: "vigie",
}));

/** The store without a database: the same promises. `onChange`: what every instance would learn. */
export function memoryCountries(onChange: () => void = () => {}): CountryStore {
  const rows = new Map(seededRows.map((row) => [row.country.code, row]));
  /** One change at a time, as a row's lock sees to. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work);
    turn = mine;
    return mine;
  };
  return {
    async readAll() {
      return [...rows.values()].sort((a, b) => (a.country.code < b.country.code ? -1 : 1));
    },
    async read(code) {
      return rows.get(code) ?? null;
    },
    change: ({ seenVersion, next }, beforeCommit) =>
      inTurn(async () => {
        const before = rows.get(next.country.code) ?? null;
        const version = before?.version ?? 0;
        if (version !== seenVersion) return { kind: "stale", version };
        await beforeCommit(before);
        // As a database keeps it: nobody else holds the same object.
        rows.set(next.country.code, structuredClone(next));
        onChange();
        return { kind: "changed" };
      }),
  };
}
