import { assert } from "@vigie/core/assert";
import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import { type PolicyDocument, type VersionedPolicy, versionedFor } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import type { Codecs } from "@vigie/schemas/codec-core";
import { Policies } from "@vigie/schemas/policies";
import type { SessionAnomaly, SessionPolicy } from "@vigie/schemas/types";
import type { StateCodec } from "@vigie/stream/codec";
import type {
  AggregateChange,
  Effects,
  Emit,
  InputRecord,
  ProcessContext,
  Processor,
} from "@vigie/stream/processor";
import type { Finding } from "#rules/rule";
import { anomalyOf } from "../anomaly.ts";
import { type AddressState, addressStateCodec, unknownAddress } from "./address-state.ts";
import { type AddressTries, forget, forgetAtMs, meta, step, windowOf } from "./credential-spray.ts";
import { sprayInternals, TRIES_TOPIC } from "./tell-tries.ts";
import { type Try, tryDecoder } from "./try.ts";
import { WATCHED_TOPIC, watchedEncoder } from "./watched.ts";

export interface SprayOptions {
  readonly codecs: Codecs;
  /** Addresses of a partition that are watched at a time. Default 50,000. */
  readonly watchedMax?: number;
}

const WATCHED_OUTPUT = "watched";
type OutputName = "credential_spray" | typeof WATCHED_OUTPUT;

/** What is watched fits into the memory of every worker: so many take some 10 MB there. */
const WATCHED_MAX = 50_000;
/** The aggregate that counts them. */
export const WATCHED_COUNT = "watched";
const ADDRESS_KEY = /^[A-Za-z0-9._-]{1,64}\|ip:[0-9a-f]{64}$/;

/** CNF-13: finds passwords that are tried on many users, by the addresses they come from. Pure, as the detector is. */
export function createSprayProcessor(
  options: SprayOptions,
): Processor<AddressState, Try, OutputName> {
  const { codecs, watchedMax = WATCHED_MAX } = options;
  // Of documents that cannot be used the detector tells, which reads them beside it.
  const policies = new Policies(() => undefined);
  const anomaly = "id.session.anomaly";
  return {
    name: "detector-spray",
    inputs: [
      {
        topic: TRIES_TOPIC,
        order: "merged",
        decoder: tryDecoder,
        misplaced: "drop",
        admit: admitTry,
      },
    ],
    outputs: {
      credential_spray: { topic: anomaly, encoder: codecs.encoder<SessionAnomaly>(anomaly) },
      watched: { topic: WATCHED_TOPIC, encoder: watchedEncoder },
    },
    globals: {
      policy: {
        topic: "id.session.policy",
        optional: true,
        decoder: codecs.decoder<SessionPolicy>("id.session.policy"),
      },
    },
    internals: sprayInternals,
    state: addressStateCodec(),
    aggregate: countCodec,
    process(record, stored, context) {
      const tenantId = tenantOf(record.key);
      const lookup = (key: string): SessionPolicy | undefined => context.lookup("policy", key);
      const policy = policies.of(tenantId, lookup);
      if (policy.document.rules[meta.name]?.mode === "OFF") return drop("no_effect");
      return ok(take(record, stored, { policy, context, watchedMax }));
    },
    wakeAtMs: ({ tries, watchedUntilMs }) => {
      const atMs = Math.min(forgetAtMs(tries), watchedUntilMs || Number.POSITIVE_INFINITY);
      return atMs === Number.POSITIVE_INFINITY ? null : atMs;
    },
    wake(key, state, context) {
      const tries = forget(state.tries, context.nowMs);
      const isOver = state.watchedUntilMs > 0 && state.watchedUntilMs <= context.nowMs;
      if (!isOver) return { state: kept({ ...state, tries }), emit: [] };
      return {
        state: kept({ tries, watchedUntilMs: 0 }),
        emit: [{ output: WATCHED_OUTPUT, key, value: null }],
        aggregates: counted(context, -1),
      };
    },
  };
}

function admitTry({ key, value }: InputRecord<Try>): Outcome<Try> {
  return ADDRESS_KEY.test(key) ? ok(value) : dlq("VIG_RECORD_KEY_MISMATCH");
}

const tenantOf = (key: string): string => key.slice(0, key.indexOf("|"));
const addressOf = (key: string): string => key.slice(key.indexOf("|") + 1);

interface Setting {
  readonly policy: VersionedPolicy;
  readonly context: ProcessContext;
  readonly watchedMax: number;
}

function take(
  record: InputRecord<Try>,
  stored: AddressState | null,
  setting: Setting,
): Effects<AddressState, OutputName> {
  const { key, value: tried, timestampMs } = record;
  const { policy, context } = setting;
  const { letIn } = tried;
  const scoped = letIn === null ? policy : versionedFor(policy, letIn);
  const before = stored ?? unknownAddress;
  const next = step(before.tries, tried, scoped.document, timestampMs);
  const isSuspect = letIn === null && isWorthWatching(next.state, tried, policy.document);
  const watch = isSuspect ? watching(record, before, setting) : unwatched;
  const watchedUntilMs = watch.untilMs ?? before.watchedUntilMs;
  const owner = {
    tenantId: tenantOf(key),
    userId: letIn === null ? addressOf(key) : letIn.userId,
  };
  const told = next.findings.flatMap((finding) => tell(finding, owner, scoped, context.nowMs));
  const isSame = next.state === before.tries && watchedUntilMs === before.watchedUntilMs;
  return {
    state: isSame ? stored : kept({ tries: next.state, watchedUntilMs }),
    emit: [...told, ...watch.emit],
    aggregates: watch.aggregates,
  };
}

interface Owner {
  readonly tenantId: string;
  readonly userId: string;
}

function tell(
  finding: Finding,
  owner: Owner,
  policy: VersionedPolicy,
  nowMs: number,
): readonly Emit<OutputName>[] {
  const mode = modeFor(policy.document.rules[meta.name], meta.name, owner, meta.mode);
  if (mode === "OFF") return [];
  const value = anomalyOf(meta, finding, owner, policy, nowMs);
  return [{ output: "credential_spray", key: `${owner.tenantId}|${owner.userId}`, value }];
}

interface Watch {
  readonly untilMs: number | null;
  readonly emit: readonly Emit<OutputName>[];
  readonly aggregates: readonly AggregateChange[];
}

/**
 * Whether another user failed within the window, or an alert is of it: one user who mistypes a password is no spray,
 * and successes of every address where that happens would cost the detector half of its throughput.
 */
function isWorthWatching(
  { failures, alerts }: AddressTries,
  { user, atMs }: Try,
  policy: PolicyDocument,
): boolean {
  const windowMs = windowOf(policy);
  const isNear = (otherMs: number): boolean => Math.abs(atMs - otherMs) < windowMs;
  return (
    failures.some((other) => other.user !== user && isNear(other.atMs)) ||
    alerts.some(({ fromMs }) => isNear(fromMs))
  );
}

const unwatched: Watch = { untilMs: null, emit: [], aggregates: [] };
/** An address is watched for a window after its last failure; told so a quarter longer, to be told again less often. */
const SPARE_QUARTERS = 1 / 4;

function watching(
  { key, value, timestampMs }: InputRecord<Try>,
  { watchedUntilMs }: AddressState,
  { policy, context, watchedMax }: Setting,
): Watch {
  const windowMs = windowOf(policy.document);
  if (watchedUntilMs >= timestampMs + windowMs) return unwatched;
  const isNew = watchedUntilMs === 0;
  if (isNew && countOf(context) >= watchedMax) return unwatched;
  const untilMs = timestampMs + Math.ceil(windowMs * (1 + SPARE_QUARTERS));
  return {
    untilMs,
    emit: [{ output: WATCHED_OUTPUT, key, value: { untilMs, mark: value.mark } }],
    aggregates: isNew ? counted(context, 1) : [],
  };
}

const kept = (state: AddressState): AddressState | null => (isNothing(state) ? null : state);

const isNothing = ({ tries, watchedUntilMs }: AddressState): boolean =>
  watchedUntilMs === 0 && isEmptyOf(tries);

const isEmptyOf = ({ failures, successes, alerts }: AddressTries): boolean =>
  failures.length + successes.length + alerts.length === 0;

const countOf = (context: ProcessContext): number => context.aggregate<number>(WATCHED_COUNT) ?? 0;

const counted = (context: ProcessContext, change: number): readonly AggregateChange[] => [
  { key: WATCHED_COUNT, value: countOf(context) + change },
];

const COUNT_VERSION = 1;

const countCodec: StateCodec<unknown> = {
  version: COUNT_VERSION,
  encode(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value as number);
    return bytes;
  },
  decode(bytes, version) {
    assert(version === COUNT_VERSION, "an aggregate's version is known");
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  },
};
