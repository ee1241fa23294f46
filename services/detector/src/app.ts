import type { Logger } from "@vigie/core/log";
import { drop, ok } from "@vigie/core/outcome";
import { versionedFor } from "@vigie/core/policy";
import type { GeoIp } from "@vigie/geoip/geoip";
import { admitEvent } from "@vigie/schemas/admit";
import type { Codecs } from "@vigie/schemas/codec-core";
import { Policies } from "@vigie/schemas/policies";
import type {
  GeoPrefs,
  SessionAnomaly,
  SessionPolicy,
  SubjectErasure,
  SubjectErasurePart,
} from "@vigie/schemas/types";
import { isErased, rememberErased } from "@vigie/service-kit/erasures";
import type {
  Effects,
  Input,
  InputRecord,
  Output,
  ProcessContext,
  Processor,
} from "@vigie/stream/processor";
import { type Enrichment, LazyEvent, type RawEvent } from "#enrich/event";
import { type EventTopic, eventDecoder, kindOf } from "#enrich/event-topics";
import { userAgentParser } from "#enrich/user-agent";
import type { AnyRule } from "#rules/rule";
import { createAggregateCodec } from "#state/aggregates";
import { countLogin } from "#state/population";
import { stateFormat, type UserState } from "#state/user-state";
import { CONSENT_TOPIC, consentInput, takeConsent } from "./consent.ts";
import { createJudge } from "./judge.ts";
import { KnownBefore } from "./known.ts";
import { rules as allRules } from "./rules/index.ts";
import type { AddressNames } from "./spray/address-names.ts";
import { sprayInternals, TRIES, triesOutput, tryOf } from "./spray/tell-tries.ts";
import { WATCHED, watchedTable } from "./spray/watched.ts";
import { CANDIDATE, type Tell } from "./tell.ts";

export interface DetectorOptions {
  readonly codecs: Codecs;
  readonly geoip: GeoIp;
  readonly log: Logger;
  readonly maxEventAgeMs: number;
  readonly maxAheadMs: number;
  /** Default: all. */
  readonly rules?: readonly AnyRule[];
  /** Default: parses the header. A replay may have it parsed. */
  readonly userAgentOf?: Enrichment["userAgentOf"];
  /** Default: as anomalies for everybody. A replay compares them. */
  readonly tell?: Tell;
  /** What addresses are called where logins are told of by address; absent, in replays: they are not. */
  readonly addresses?: AddressNames;
  /** Told of every policy document that cannot be used. */
  readonly policyRefused?: () => void;
  /** Called once, before the first record is processed. */
  readonly firstRecord?: () => void;
}

const ERASURE_TOPIC = "id.subject.erasure";
/** Whom the detector has erased; the other outputs are the rules', and TRIES. */
export const ERASED = "erased";
export type DetectorInput = RawEvent | SubjectErasure | GeoPrefs | null;

/** The detector as a processor: pure, so the same object runs in production, in tests and in replays. */
export function createDetector(
  options: DetectorOptions,
): Processor<UserState, DetectorInput, string> {
  const { addresses, codecs, log, geoip, rules = allRules } = options;
  const { userAgentOf = userAgentParser() } = options;
  const enrichment: Enrichment = { geoip, userAgentOf };
  const policies = new Policies((tenantId, faults) => {
    log.warn({ tenantId, faults }, "policy_refused");
    options.policyRefused?.();
  });
  const judge = createJudge(rules, options.tell);
  const format = stateFormat(judge.parts);
  const known = new KnownBefore(judge, format.open(null));
  let { firstRecord } = options;
  return {
    name: "detector",
    inputs: [
      consentInput(options),
      eventInput("id.login", options),
      eventInput("id.heartbeat", options),
      eventInput("id.mfa", options),
      eventInput("id.geo", options),
      erasureInput(options),
    ],
    outputs: { ...outputsOf(rules, codecs), ...(addresses && { [TRIES]: triesOutput }) },
    globals: {
      policy: {
        topic: "id.session.policy",
        optional: true,
        decoder: codecs.decoder<SessionPolicy>("id.session.policy"),
      },
      ...(addresses && { [WATCHED]: watchedTable }),
    },
    ...(addresses && { internals: sprayInternals }),
    state: format,
    aggregate: createAggregateCodec(),
    process(given, state, context) {
      if (given.topic === ERASURE_TOPIC) {
        return ok(erase(given as InputRecord<SubjectErasure>, context));
      }
      if (given.topic === CONSENT_TOPIC) {
        return takeConsent(
          given as InputRecord<GeoPrefs | null>,
          state,
          { judge, format },
          context,
        );
      }
      const record = given as InputRecord<RawEvent>;
      const { topic, value } = record;
      const { tenant_id, user_id, occurred_at } = value;
      if (isErased(tenant_id, user_id, occurred_at, context)) return drop("erased");
      if (firstRecord !== undefined) {
        firstRecord();
        firstRecord = undefined;
      }
      const kind = kindOf[topic as EventTopic][value.kind ?? ""];
      if (kind === undefined) return drop("unknown_kind");
      // A heartbeat repeated harms no rule, and there are too many to remember.
      const open = format.open(state);
      const seen = kind === "heartbeat" ? open.seen : open.seen.add(value.event_id);
      if (seen === null) return drop("duplicate");
      open.seen = seen;
      const lookup = (key: string): SessionPolicy | undefined => context.lookup("policy", key);
      const policy = versionedFor(policies.of(value.tenant_id, lookup), value);
      const event = new LazyEvent(kind, value, enrichment, known.of(tenant_id, context));
      const its = { event, policy, key: record.key, nowMs: context.nowMs };
      const { emit: found, counted } = judge.judge(open, its);
      const tried = addresses && tryOf(addresses, its, record, context);
      const emit = tried ? [...found, tried] : found;
      const next = open.isChanged ? open.seal() : state;
      if (counted === null) return ok({ state: next, emit });
      return ok({ state: next, emit, aggregates: countLogin(tenant_id, counted, context) });
    },
  };
}

/** PRV-14: nothing of the person is kept; what happened before and comes late is dropped from here on. */
function erase(
  { value, timestampMs }: InputRecord<SubjectErasure>,
  context: ProcessContext,
): Effects<UserState, string> {
  const { erasure_id, tenant_id, user_id, requested_at } = value;
  const untilMs = Math.min(requested_at, timestampMs);
  const done = { erasure_id, tenant_id, part: "detector", done_at: context.nowMs };
  return {
    state: null,
    emit: [{ output: ERASED, key: erasure_id, value: done satisfies SubjectErasurePart }],
    aggregates: rememberErased({ tenantId: tenant_id, userId: user_id }, untilMs, context),
  };
}

/** An output for each rule, all to one topic: what was committed is then counted by kind. */
function outputsOf(
  rules: readonly AnyRule[],
  codecs: Codecs,
): Readonly<Record<string, Output<never>>> {
  const topic = "id.session.anomaly";
  const encoder = codecs.encoder<SessionAnomaly>(topic);
  const erased = "id.subject.erasure.part";
  return {
    ...Object.fromEntries(rules.map(({ meta }) => [meta.name, { topic, encoder }])),
    [CANDIDATE]: { topic, encoder },
    [ERASED]: {
      topic: erased,
      encoder: codecs.encoder<SubjectErasurePart>(erased),
      from: ERASURE_TOPIC,
    },
  };
}

/** At once: what is still to be read from before is dropped then. */
const erasureInput = ({
  codecs,
  maxEventAgeMs,
  maxAheadMs,
}: DetectorOptions): Input<SubjectErasure> => ({
  topic: ERASURE_TOPIC,
  order: "urgent",
  optional: true,
  decoder: codecs.decoder<SubjectErasure>(ERASURE_TOPIC),
  misplaced: "drop",
  admit: ({ value, key, timestampMs }) =>
    admitEvent(ERASURE_TOPIC, value, key, {
      recordTimestampMs: timestampMs,
      maxEventAgeMs,
      maxAheadMs,
    }),
});

function eventInput(topic: EventTopic, options: DetectorOptions): Input<RawEvent> {
  const { codecs, maxEventAgeMs, maxAheadMs } = options;
  return {
    topic,
    order: "merged",
    optional: topic === "id.geo",
    decoder: eventDecoder(codecs, topic),
    misplaced: "republish",
    admit: ({ value, key, timestampMs }) =>
      admitEvent(topic, value, key, { recordTimestampMs: timestampMs, maxEventAgeMs, maxAheadMs }),
  };
}
