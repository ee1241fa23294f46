import { VigError } from "@vigie/core/errors";
import type { Actor, SessionEpoch } from "@vigie/schemas/types";
import { nameUuid } from "@vigie/service-kit/ids";
import type { Target } from "./command.ts";
import type { Order, Owner } from "./commander.ts";
import type { Commands } from "./commands.ts";
import { createEpochBook, type Decided, type EpochBook, type Scope } from "./epochs.ts";
import type { Filter, Plan } from "./filter.ts";
import { type FoundSession, findSessions } from "./found-sessions.ts";
import { databaseOf, deviceOf, sessionOrGiven, userOf } from "./known-ids.ts";

/** What an administrator asks for, once it is clear that they may. */
export interface Wish {
  /** The same for a repetition. */
  readonly callId: string;
  readonly tenantId: string;
  readonly filter: Filter;
  readonly plan: Plan;
  readonly reason: string;
  readonly actor: Actor;
  /** Where a search goes on. */
  readonly after: string | null;
  /** Puts the call on record, with the user whom it concerns as events name them. Returns the broker's time of that. */
  record(userId?: string): Promise<number>;
}

export interface Batch {
  readonly batchId: string;
  readonly commands: number;
  readonly users: number;
  readonly next: string | null;
}

/** What was set going. */
export type Deed =
  | { readonly kind: "order"; readonly order: Order }
  | { readonly kind: "epoch"; readonly scope: Scope; readonly decided: Decided }
  | { readonly kind: "batch"; readonly batch: Batch };

/** Sessions that one call looks up and commands. Source: some 600 KB of commands, under a second. */
const BATCH_MAX = 1_000;

export interface Deeds {
  /** Throws: VIG_AUDIT_WRITE_FAILED before anything was done; VIG_NOT_FOUND, VIG_BROKER_AWAY, VIG_DATABASE_AWAY. */
  do(wish: Wish): Promise<Deed>;
}

export function createDeeds(commands: Commands): Deeds {
  const encoder = commands.codecs.encoder<SessionEpoch>("id.session.epoch");
  return {
    async do(wish) {
      const { plan } = wish;
      if (plan.kind === "user") return commandUser(commands, wish, plan);
      if (plan.kind === "search") return commandFound(commands, wish);
      const book = createEpochBook(databaseOf(commands), encoder);
      const scope = { tenantId: wish.tenantId, scope: plan.scope, value: plan.value };
      return { kind: "epoch", scope, decided: await decideEpoch(book, wish, scope) };
    },
  };
}

async function commandUser(
  commands: Commands,
  wish: Wish,
  { userId: given, target }: Extract<Plan, { kind: "user" }>,
): Promise<Deed> {
  const { tenantId, reason, actor } = wish;
  const userId = await userOf(commands, tenantId, given);
  const person = { tenantId, userId };
  const known = await knownTarget(commands, person, target);
  await wish.record(userId);
  const order = { commandId: wish.callId, ...person, target: known, reason, actor };
  await commands.commander.send(order);
  return { kind: "order", order };
}

/** Sessions and devices as events have them; a session to spare, too: an id that means none would spare nobody. */
async function knownTarget(commands: Commands, person: Owner, target: Target): Promise<Target> {
  switch (target.kind) {
    case "session":
      return { ...target, sessionId: await sessionOrGiven(commands, person, target.sessionId) };
    case "device":
      return { ...target, deviceId: await deviceOf(commands, person, target.deviceId) };
    case "all": {
      const { keepSessionId: kept } = target;
      if (kept === null) return target;
      return { ...target, keepSessionId: await sessionOrGiven(commands, person, kept) };
    }
    default:
      return target;
  }
}

async function decideEpoch(book: EpochBook, wish: Wish, scope: Scope): Promise<Decided> {
  const { callId: epochId, tenantId, reason } = wish;
  const before = await book.find(tenantId, epochId);
  if (before !== null) return before;
  const { type, id, impersonator_id } = wish.actor;
  const notBeforeMs = await wish.record();
  if (notBeforeMs < 0) {
    throw new VigError("VIG_BROKER_AWAY", { why: "it does not tell its time" });
  }
  const actor = { type, id, impersonator_id };
  return book.decide({ ...scope, epochId, notBeforeMs, reason, actor });
}

async function commandFound(commands: Commands, wish: Wish): Promise<Deed> {
  const { callId: batchId, tenantId, filter, after } = wish;
  const stores = { database: databaseOf(commands), view: commands.view };
  const query = { tenantId, filter, after, limit: BATCH_MAX };
  const { sessions, next } = await findSessions(stores, query);
  if (sessions.length === 0 && filter.sessionId !== undefined) {
    throw new VigError("VIG_NOT_FOUND", { what: "session" });
  }
  const users = new Set(sessions.map(({ userId }) => userId));
  const [first] = users;
  await wish.record(users.size === 1 ? first : undefined);
  const orders = new Map(
    sessions.map((session) => {
      const order = orderOf(wish, session);
      return [order.commandId, order];
    }),
  );
  await Promise.all([...orders.values()].map((order) => commands.commander.send(order)));
  return { kind: "batch", batch: { batchId, commands: orders.size, users: users.size, next } };
}

/** A device alone is commanded as such, once a user: its sessions that are just beginning are meant too. */
function orderOf({ callId, tenantId, filter, reason, actor }: Wish, found: FoundSession): Order {
  const { userId, sessionId, deviceId } = found;
  const { deviceId: asked, tenantId: _, ...rest } = filter;
  const isDeviceAlone =
    asked !== undefined && Object.values(rest).every((each) => each === undefined);
  const target: Target =
    isDeviceAlone && deviceId !== null
      ? { kind: "device", deviceId }
      : { kind: "session", sessionId };
  const name = `${callId}|${userId}|${target.kind}|${deviceId !== null && isDeviceAlone ? deviceId : sessionId}`;
  const commandId = nameUuid(tenantId, "command", name);
  return { commandId, batchId: callId, tenantId, userId, target, reason, actor };
}
