import { userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import type { Outcome } from "@vigie/core/outcome";
import { anomalyOf } from "@vigie/detector/anomaly";
import { createDetector, type DetectorInput } from "@vigie/detector/app";
import { CONSENT_TOPIC } from "@vigie/detector/consent";
import type { UserAgent } from "@vigie/detector/enrich/signals";
import type { Precision } from "@vigie/detector/state/precision";
import type { UserState } from "@vigie/detector/state/user-state";
import type { Tell } from "@vigie/detector/tell";
import { type Address, unknownAddress } from "@vigie/geoip/geoip";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { GeoPrefs, SessionAnomaly, SessionPolicy } from "@vigie/schemas/types";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Effects, ProcessContext, Processor } from "@vigie/stream/processor";
import { type HistoryFile, readEvents } from "../history/history-file.ts";
import type { HistoryEvent } from "../history/minimise.ts";
import { StateArena } from "./state-arena.ts";

/** Whose alarm it is: of the policy in force, of the candidate, or of both alike. */
export type Side = "current" | "candidate" | "both";

export interface Alarm {
  readonly side: Side;
  readonly anomaly: SessionAnomaly;
  /** Where the user was, by ISO 3166-1 alpha-2; "": not known. */
  readonly country: string;
}

export interface ReplaySource {
  readonly keys: Keys;
  /** The policies in force, with the candidate in the document that it stands in place of. */
  readonly policyOf: (key: string) => SessionPolicy | undefined;
  /** Append time: what comes before it is gone through, so that the rules know the users, and counted nowhere. */
  readonly fromMs: number;
  /** Events appended at or after it are left out. */
  readonly toMs: number;
  /** By pseudonym: what happened up to then is no more. */
  readonly erased: ReadonlyMap<string, number>;
}

export interface Replayed {
  events: number;
  users: number;
  /** Gone through only so that the rules know the users. */
  before: number;
}

/** Nothing is refused for its age: what is in the files was taken when it came. */
const ANY_AGE_MS = Number.MAX_SAFE_INTEGER;

interface User {
  readonly key: string;
  readonly erasedUntilMs: number;
  precision: Precision | undefined;
  place: number;
  length: number;
}

/** What the rules look up of the event that is just being judged. */
interface Current {
  address: Address;
  userAgent: UserAgent | null;
}

const noAgent: UserAgent = { os: "", osVersion: "", browser: "", browserVersion: "", platform: "" };

const tell: Tell = ({ meta, finding, event, policy, key, nowMs, candidate, isShared }) => {
  const anomaly = anomalyOf(meta, finding, event, policy, nowMs);
  const country = event.position?.country || event.address.country || event.givenCountry || "";
  const side: Side = candidate !== null ? "candidate" : isShared ? "both" : "current";
  return { output: meta.name, key, value: { side, anomaly, country } satisfies Alarm };
};

const stateOf = (arena: StateArena, { place, length }: User): UserState | null =>
  length === 0 ? null : { bytes: arena.get(place, length) };

function keep(arena: StateArena, own: User, outcome: Outcome<Effects<UserState, string>>): void {
  if (outcome.kind !== "ok") return;
  const { state } = outcome.value;
  if (state !== null) own.place = arena.put(state.bytes, own.place, own.length);
  own.length = state === null ? 0 : state.bytes.length;
}

/** What the person of an event consented to, as the detector is told of it. */
const consentOf = ({ value, timestampMs, precision }: HistoryEvent): GeoPrefs | null =>
  precision === undefined
    ? null
    : {
        tenant_id: value.tenant_id,
        user_id: value.user_id,
        gps_opt_in: true,
        precision,
        updated_at: timestampMs,
      };

/** Goes through history with the detector that runs in production, under both policies at once. */
export class Replay {
  readonly count: Replayed = { events: 0, users: 0, before: 0 };
  private readonly source: ReplaySource;
  private readonly current: Current = { address: unknownAddress, userAgent: null };
  private readonly detector: Processor<UserState, DetectorInput, string>;

  constructor(source: ReplaySource) {
    this.source = source;
    this.detector = createDetector({
      codecs: memoryCodecs(),
      log: silentLogger,
      geoip: { lookup: () => this.current.address },
      userAgentOf: () => this.current.userAgent ?? noAgent,
      maxEventAgeMs: ANY_AGE_MS,
      maxAheadMs: ANY_AGE_MS,
      tell,
    });
  }

  /** One tenant's partition: files in the order of their times. Throws: as `readFrames`. */
  *partition(files: readonly HistoryFile[]): Generator<Alarm> {
    const { keys, fromMs, toMs } = this.source;
    const { detector, current, count } = this;
    const arena = new StateArena();
    const users = new Map<string, User>();
    const context = this.contextOf(files);
    for (const file of files) {
      const ownOf = (userId: string): User => this.userOf(users, file.head.tenant, userId);
      for (const event of readEvents(file, keys, ownOf)) {
        const { timestampMs, topic, value, own } = event;
        if (timestampMs >= toMs) break;
        if (value.occurred_at <= own.erasedUntilMs) continue;
        current.address = event.address;
        current.userAgent = event.userAgent;
        context.nowMs = timestampMs;
        const record = { partition: 0, offset: 0, timestampMs, key: own.key, topic, value };
        if (event.precision !== own.precision) {
          own.precision = event.precision;
          const consent = { ...record, topic: CONSENT_TOPIC, value: consentOf(event) };
          keep(arena, own, detector.process(consent, stateOf(arena, own), context));
        }
        const state = stateOf(arena, own);
        const outcome = detector.process(record, state, context);
        if (timestampMs < fromMs) count.before += 1;
        else count.events += 1;
        if (outcome.kind !== "ok") continue;
        const { value: effects } = outcome;
        if (effects.state !== state) keep(arena, own, outcome);
        for (const change of effects.aggregates ?? []) context.set(change.key, change.value);
        if (timestampMs < fromMs) continue;
        for (const emit of effects.emit) yield emit.value as Alarm;
      }
    }
    count.users += users.size;
  }

  private userOf(users: Map<string, User>, tenantId: string, userId: string): User {
    let user = users.get(userId);
    if (user === undefined) {
      const erasedUntilMs = this.source.erased.get(userId) ?? Number.NEGATIVE_INFINITY;
      user = {
        key: userKey(tenantId, userId),
        erasedUntilMs,
        precision: undefined,
        place: 0,
        length: 0,
      };
      users.set(userId, user);
    }
    return user;
  }

  private contextOf([first]: readonly HistoryFile[]) {
    const aggregates = new Map<string, unknown>();
    const tables: Readonly<Record<string, (key: string) => unknown>> = {
      policy: this.source.policyOf,
    };
    return {
      nowMs: 0,
      partition: first?.head.partition ?? 0,
      lookup: <V>(table: string, key: string) => tables[table]?.(key) as V | undefined,
      hasMark: () => false,
      aggregate: <A>(key: string) => (aggregates.get(key) ?? null) as A | null,
      set(key: string, value: unknown) {
        if (value === null) aggregates.delete(key);
        else aggregates.set(key, value);
      },
    } satisfies ProcessContext & Record<string, unknown>;
  }
}
