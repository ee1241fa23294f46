import type { Reader, Writer } from "@vigie/core/bytes";
import { TwoGenerations } from "@vigie/geoip/two-generations";
import type { AggregateChange, ProcessContext } from "@vigie/stream/processor";
import { TRAIT_COUNT, type Traits } from "#enrich/traits";
import { Tally } from "./tally.ts";

/**
 * How many different values are kept of each trait, for one tenant and partition: all of the few, the frequent ones
 * of the many. A full table has 11 KB.
 */
const capacities = [512, 256, 256, 512, 256, 128, 16] as const;
/** The counts of traits are halved at so many logins, so that what nobody uses any more fades. */
export const WINDOW_MAX = 65_536;
/** Logins gathered before they are counted in: a commit then writes these, 29 bytes each, and not the tables. */
export const FRESH_MAX = 64;

/** How often what came in the successful logins of a tenant, as far as this partition saw them. Names nobody. */
export class Population {
  static readonly none = new Population(
    { logins: 0, users: 0, recent: 0 },
    capacities.map(() => Tally.none),
  );

  readonly kind = "population";
  /** Ever counted in. */
  readonly loginsEver: number;
  /** Who logged in for the first time among them. */
  readonly users: number;
  /** Those that the counts of traits stand for. */
  readonly logins: number;
  private readonly tallies: readonly Tally[];

  private constructor(
    totals: { readonly logins: number; readonly users: number; readonly recent: number },
    tallies: readonly Tally[],
  ) {
    this.loginsEver = totals.logins;
    this.users = totals.users;
    this.logins = totals.recent;
    this.tallies = tallies;
  }

  /** In how many of `logins` a trait had this value. */
  count(trait: number, value: number): number {
    return (this.tallies[trait] as Tally).of(value);
  }

  /** How many different values of a trait are known. */
  distinct(trait: number): number {
    return (this.tallies[trait] as Tally).size;
  }

  plus(fresh: FreshLogins): Population {
    const totals = {
      logins: this.loginsEver + fresh.size,
      users: this.users + fresh.newUsers,
      recent: this.logins + fresh.size,
    };
    const tallies = this.tallies.map((tally, trait) =>
      tally.plus(fresh.valuesOf(trait), capacities[trait] as number),
    );
    if (totals.recent < WINDOW_MAX) return new Population(totals, tallies);
    return new Population(
      { ...totals, recent: totals.recent >>> 1 },
      tallies.map((tally) => tally.halved()),
    );
  }

  write(writer: Writer): void {
    writer.varint(this.loginsEver);
    writer.varint(this.users);
    writer.varint(this.logins);
    for (const tally of this.tallies) tally.write(writer);
  }

  static read(reader: Reader): Population {
    const [logins, users, recent] = [reader.varint(), reader.varint(), reader.varint()];
    const tallies = capacities.map(() => Tally.read(reader));
    return new Population({ logins, users, recent }, tallies);
  }
}

/** A login that is still to be counted in. */
export interface FreshLogin {
  readonly traits: Traits;
  readonly newUser: boolean;
}

/** Of one login: 1 for a new user, else 0; then its traits. */
const ROW_LENGTH = 1 + TRAIT_COUNT;

/**
 * The newest logins of a tenant and partition, before they are counted in. Immutable, though one that goes on from
 * another shares its rows: each looks at as many as it has.
 */
export class FreshLogins {
  static readonly none = new FreshLogins([], 0, 0);

  readonly kind = "fresh";
  readonly size: number;
  readonly newUsers: number;
  /** Oldest first; behind the last of ours may lie those of one that goes on from here. */
  private readonly rows: number[];

  private constructor(rows: number[], size: number, newUsers: number) {
    this.rows = rows;
    this.size = size;
    this.newUsers = newUsers;
  }

  plus({ traits, newUser }: FreshLogin): FreshLogins {
    const end = this.size * ROW_LENGTH;
    // Another one may have gone on from here already.
    const rows = this.size > 0 && this.rows.length === end ? this.rows : this.rows.slice(0, end);
    rows.push(newUser ? 1 : 0);
    for (let trait = 0; trait < TRAIT_COUNT; trait++) rows.push(traits[trait] as number);
    return new FreshLogins(rows, this.size + 1, this.newUsers + (newUser ? 1 : 0));
  }

  /** What a trait was, login by login. */
  valuesOf(trait: number): readonly number[] {
    const values = new Array<number>(this.size);
    for (let at = 0; at < values.length; at++) {
      values[at] = this.rows[at * ROW_LENGTH + 1 + trait] as number;
    }
    return values;
  }

  /** Oldest first: the size, then a byte for a new user and the values, for each. */
  write(writer: Writer): void {
    writer.varint(this.size);
    const end = this.size * ROW_LENGTH;
    for (let at = 0; at < end; at++) {
      const value = this.rows[at] as number;
      if (at % ROW_LENGTH > 0) {
        writer.u32(value);
        continue;
      }
      writer.room(1);
      writer.u8(value);
    }
  }

  static read(reader: Reader): FreshLogins {
    let fresh = FreshLogins.none;
    for (let left = reader.varint(); left > 0; left--) {
      const newUser = reader.u8() === 1;
      const traits = Array.from({ length: TRAIT_COUNT }, () => reader.u32());
      fresh = fresh.plus({ traits, newUser });
    }
    return fresh;
  }
}

type Aggregates = Pick<ProcessContext, "aggregate">;

/** Tenants whose aggregates' keys are kept. */
const TENANTS_MAX = 10_000;

interface TenantKeys {
  readonly counts: string;
  readonly fresh: string;
}

const keys = new TwoGenerations<string, TenantKeys>(TENANTS_MAX);

/** Made once: a text put together anew is copied into one piece before it can be looked up. */
function keysOf(tenantId: string): TenantKeys {
  let its = keys.get(tenantId);
  if (its === undefined) {
    its = { counts: `population|${tenantId}`, fresh: `fresh|${tenantId}` };
    keys.set(tenantId, its);
  }
  return its;
}

/** What is counted of a tenant; it lags behind by FRESH_MAX logins at most. */
export const populationOf = (tenantId: string, { aggregate }: Aggregates): Population =>
  aggregate<Population>(keysOf(tenantId).counts) ?? Population.none;

/** Notes a successful login. */
export function countLogin(
  tenantId: string,
  login: FreshLogin,
  context: Aggregates,
): readonly AggregateChange[] {
  const { counts, fresh: key } = keysOf(tenantId);
  const fresh = (context.aggregate<FreshLogins>(key) ?? FreshLogins.none).plus(login);
  if (fresh.size < FRESH_MAX) return [{ key, value: fresh }];
  const counted = populationOf(tenantId, context).plus(fresh);
  return [
    { key, value: FreshLogins.none },
    { key: counts, value: counted },
  ];
}
