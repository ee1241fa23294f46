import type { VersionedPolicy } from "@vigie/core/policy";
import { internalTopic } from "@vigie/schemas/catalogue";
import type {
  Emit,
  InputRecord,
  InternalTopic,
  Output,
  ProcessContext,
} from "@vigie/stream/processor";
import type { RawEvent } from "#enrich/event";
import type { EventKind } from "#rules/rule";
import type { AddressNames } from "./address-names.ts";
import { meta } from "./credential-spray.ts";
import { type LetIn, type Try, tryEncoder, userHash } from "./try.ts";
import { markOf, WATCHED, WATCHED_TOPIC, type Watched } from "./watched.ts";

/** Logins by address: written by the detector in its own transaction, read by the processor of addresses. */
export const TRIES_TOPIC = "vigie.detector.tries";
/** The detector's output of that name. */
export const TRIES = "tries";
/** What this and the processor of addresses have between them. */
export const sprayInternals: readonly InternalTopic[] = [
  internalTopic(TRIES_TOPIC),
  internalTopic(WATCHED_TOPIC),
];
export const triesOutput: Output<Try> = { topic: TRIES_TOPIC, encoder: tryEncoder };

type Context = Pick<ProcessContext, "hasMark" | "lookup" | "nowMs">;

/** An event and the policy that holds for it. */
interface Judged {
  readonly event: { readonly kind: EventKind };
  readonly policy: VersionedPolicy;
}

/**
 * What the address's task is told of an event, or null: every failed login, and the logins that succeed from an
 * address that is watched. Most other successes cost the mark of their address and one look whether any has it.
 */
export function tryOf(
  names: AddressNames,
  { event, policy }: Judged,
  { key: userKey, value, timestampMs }: InputRecord<RawEvent>,
  context: Context,
): Emit<typeof TRIES> | null {
  const isFailure = event.kind === "login_failure";
  if (!isFailure && event.kind !== "login_success") return null;
  if (policy.document.rules[meta.name]?.mode === "OFF") return null;
  const { event_id, network, occurred_at, tenant_id } = value;
  const ip = network?.ip;
  if (!ip) return null;
  const mark = markOf(ip);
  const mayBeWatched = context.hasMark(WATCHED, mark);
  if (!isFailure && !mayBeWatched) return null;
  const own = names.of(tenant_id, ip, context.nowMs);
  const isWatched = (key: string): boolean =>
    (context.lookup<Watched>(WATCHED, key)?.untilMs ?? 0) > timestampMs;
  const watched = mayBeWatched ? own.find(isWatched) : undefined;
  // An address keeps the name that it is watched under, though the tenant's key was replaced meanwhile.
  const key = isFailure ? (watched ?? own[0]) : watched;
  if (key === undefined) return null;
  const letIn = isFailure ? null : letInOf(value);
  const user = userHash(userKey);
  return {
    output: TRIES,
    key,
    value: { user, mark, atMs: occurred_at, eventId: event_id, letIn } satisfies Try,
  };
}

const letInOf = ({ channel, roles = [], session_id, user_id }: RawEvent): LetIn => ({
  userId: user_id,
  sessionId: session_id,
  channel,
  roles,
});
