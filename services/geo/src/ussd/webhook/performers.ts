import { createHmac } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { type Clock, HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { NO_USER_AGENT } from "@vigie/schemas/audit-actions";
import type { AuditTrail } from "@vigie/service-kit/audit-trail/audit-trail";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import type { FastifyRequest } from "fastify";
import type { CountryMatrix } from "#countries/countries";
import { lockPlaces } from "#geo-context/postgres-book";
import type { Link, LinkBook } from "../links/link-book.ts";
import type { Outcomes, Performer, Requests, Unavailable } from "../machine/types.ts";
import { NO_PIN, type PinBook, type PinCheck } from "../pins/pin-book.ts";
import type { ResetCodes } from "../pins/reset-codes.ts";
import type { PerformerAt, StepId } from "../sessions/converse.ts";
import { sessionOf, type UssdEvents } from "../tell/ussd-events.ts";

export interface PerformerParts {
  readonly database: Database;
  readonly links: LinkBook;
  readonly pins: PinBook;
  readonly codes: ResetCodes;
  readonly events: UssdEvents;
  readonly audit: AuditTrail;
  readonly countries: CountryMatrix;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log: Logger;
  readonly simHoldMs: number;
  /** Told of each PIN that was looked at. */
  pinChecked(outcome: PinCheck["kind"]): void;
}

/** The request that a step is done in; null phone: its session is over, nothing is shown. */
export interface Call {
  readonly request: FastifyRequest;
  readonly phone: string | null;
}

/** Names a link in what a dialogue keeps; tells nothing of phone or person. */
export const linkName = ({ id, person }: Link): string => `${person.tenantId}|${id}`;

function linkOfName(name: string): { readonly tenantId: string; readonly linkId: string } {
  const [tenantId = "", linkId = ""] = name.split("|");
  return { tenantId, linkId };
}

const UNAVAILABLE: Unavailable = { kind: "unavailable" };
const NONE = { kind: "none" } as const;

/** Does what the dialogue asks for: looks at PINs and codes, sets PINs, and tells of it before the screen is shown. */
export function performersOf(parts: PerformerParts, call: Call): PerformerAt {
  return (at, name): Performer => {
    const step: StepWork = { parts, call, at };
    const found = async (): Promise<Link | null> => (name === null ? null : readLink(parts, name));
    const linked = <T extends { readonly kind: string }>(
      nobody: T,
      work: (link: Link) => Promise<T>,
    ): Promise<T | Unavailable> =>
      unlessAway(parts.log, async () => {
        const link = await found();
        return link === null ? nobody : work(link);
      });
    return {
      checkPin: (request) =>
        linked<Outcomes["checkPin"]>(NONE, (link) => checkPin(step, link, request)),
      checkCode: (request) =>
        linked<Outcomes["checkCode"]>({ kind: "wrong", triesLeft: 0 }, (link) =>
          checkCode(step, link, request),
        ),
      markPin: async ({ pin }) => ({ kind: "ok", mark: markOf(step, pin) }),
      setPin: (request) => linked<Outcomes["setPin"]>(NONE, (link) => setPin(step, link, request)),
      infos: () => linked<Outcomes["infos"]>(NONE, async (link) => infos(step, link)),
      setLanguage: ({ language }) =>
        linked<Outcomes["setLanguage"]>({ kind: "ok" }, async ({ id, person: { tenantId } }) => {
          await inTenant(parts, tenantId, (tx) =>
            parts.links.setLanguage(tx, tenantId, id, language),
          );
          return { kind: "ok" };
        }),
      // No screen comes after the last one: what can not be told is taken back, for the next try.
      async logout() {
        const link = await found();
        if (link !== null) await signOut(step, link);
        return { kind: "ok" };
      },
    };
  };
}

interface StepWork {
  readonly parts: PerformerParts;
  readonly call: Call;
  readonly at: StepId;
}

/** A store or the broker that is away is told on the screen; anything else is no matter of a menu. */
async function unlessAway<T>(log: Logger, work: () => Promise<T>): Promise<T | Unavailable> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof VigError && error.status === 503)) throw error;
    log.warn({ code: error.code }, "ussd_step_unavailable");
    return UNAVAILABLE;
  }
}

const inTenant = <T>(
  { database }: Pick<PerformerParts, "database">,
  tenantId: string,
  work: (tx: Queryable) => Promise<T>,
): Promise<T> => database.inTenant(tenantId, work);

function readLink(parts: PerformerParts, name: string): Promise<Link | null> {
  const { tenantId, linkId } = linkOfName(name);
  return inTenant(parts, tenantId, (tx) => parts.links.byId(tx, tenantId, linkId));
}

const minutesUntil = (ms: number, clock: Clock): number =>
  Math.max(1, Math.ceil((ms - clock()) / MINUTE_MS));

/** USS-02: the first right PIN of a dialogue signs in; after that it proves who holds the phone. */
async function checkPin(
  { parts, at }: StepWork,
  { id, person }: Link,
  { pin, signedIn }: Requests["checkPin"],
): Promise<Outcomes["checkPin"]> {
  const { pins, events, links, clock } = parts;
  const checked = await pins.check(person, pin);
  parts.pinChecked(checked.kind);
  if (checked.kind === "none") return NONE;
  const isRight = checked.kind === "ok";
  if (signedIn) {
    await events.mfa(person, at, { kind: isRight ? "SUCCESS" : "FAIL", factor: "PIN" });
  } else if (isRight) {
    const { tenantId } = person;
    // First, so that whoever takes the phone away from here on signs it out: a session that ended never begins.
    const isTheirs = await inTenant(parts, tenantId, (tx) =>
      links.signIn(tx, tenantId, id, at.dialogue),
    );
    if (!isTheirs) return NONE;
    await events.login(person, at, { kind: "AUTH_SUCCESS" });
  } else {
    const reason = checked.kind === "locked" ? "pin_locked" : "wrong_pin";
    await events.login(person, at, { kind: "AUTH_FAIL", reason });
  }
  if (checked.kind !== "locked") return checked;
  return { kind: "locked", minutes: minutesUntil(checked.untilMs, clock) };
}

async function signOut({ parts, at }: StepWork, { id, person }: Link): Promise<void> {
  const { tenantId } = person;
  await parts.events.login(person, at, { kind: "LOGOUT" });
  await inTenant(parts, tenantId, (tx) => parts.links.signOut(tx, tenantId, id, at.dialogue));
}

/** The hours that are left of the hold; null: none. */
function heldHours({ simHoldMs, clock }: PerformerParts, { simChangedAtMs }: Link): number | null {
  const leftMs = simChangedAtMs === null ? 0 : simChangedAtMs + simHoldMs - clock();
  return leftMs <= 0 ? null : Math.ceil(leftMs / HOUR_MS);
}

async function checkCode(
  { parts, at }: StepWork,
  link: Link,
  { code }: Requests["checkCode"],
): Promise<Outcomes["checkCode"]> {
  const { codes, pins, events } = parts;
  const hours = heldHours(parts, link);
  if (hours !== null) return { kind: "held", hours };
  const { person } = link;
  return inTenant(parts, person.tenantId, async (tx) => {
    const taken = await codes.take(tx, person, code);
    const kind = taken.kind === "ok" ? "SUCCESS" : "FAIL";
    // Before it is used up: while nobody can be told, it stays good for the next try.
    await events.mfa(person, at, { kind, factor: "RECOVERY_CODE" });
    // What is set by it takes the place of this PIN only, not of one that the person sets elsewhere meanwhile.
    return taken.kind === "ok" ? { ...taken, proven: await pins.current(tx, person) } : taken;
  });
}

/** Of a PIN in one dialogue, under a key that the store of dialogues does not have. */
const markOf = ({ parts, at }: StepWork, pin: string): string =>
  createHmac("sha256", parts.keys.hmacKey("*").key)
    .update(`ussd|pin|${at.dialogue}|${pin}`)
    .digest("base64url");

async function setPin(
  step: StepWork,
  link: Link,
  { pin, mark, proof }: Requests["setPin"],
): Promise<Outcomes["setPin"]> {
  const { parts, at, call } = step;
  if (markOf(step, pin) !== mark) return { kind: "differs" };
  const hours = heldHours(parts, link);
  if (hours !== null) return { kind: "held", hours };
  const { id, person } = link;
  const { tenantId } = person;
  return inTenant(parts, tenantId, async (tx): Promise<Outcomes["setPin"]> => {
    // An erasure meanwhile took the link: no PIN comes after it.
    await lockPlaces(tx, person);
    if ((await parts.links.byId(tx, tenantId, id)) === null) return NONE;
    const isSet = await parts.pins.replace(tx, person, pin, proof.proven);
    if (!isSet) return { kind: "changed" };
    // On record before it holds.
    await parts.audit.record({
      action: "ussd.pin_set",
      caller: callerOfUssd(link, at),
      request: call.request,
      subjectUserId: person.userId,
      payload: { by: proof.by, replaced: proof.proven !== NO_PIN },
      reported: reportedOf(link, parts.clock()),
    });
    return { kind: "ok" };
  });
}

async function infos({ parts, call }: StepWork, link: Link): Promise<Outcomes["infos"]> {
  const { country, linkedAtMs } = link;
  return {
    kind: "ok",
    infos: {
      country,
      currency: parts.countries.current.find(country)?.currency ?? null,
      phoneEnding: (call.phone ?? "").slice(-2),
      linkedOn: new Date(linkedAtMs).toISOString().slice(0, "YYYY-MM-DD".length),
    },
  };
}

/** Somebody on the phone has no token; the gateway vouches for the phone, the link for the person. */
const callerOfUssd = ({ person }: Link, at: StepId): Caller => ({
  tenantId: person.tenantId,
  subject: person.userId,
  kind: "user",
  sessionId: sessionOf(person, at),
  userType: null,
  orgId: null,
  roles: [],
  scopes: new Set(),
  clientId: null,
  impersonatorId: null,
  limitKey: person.tenantId,
});

/** The address of the request is the gateway's, not the person's. */
const reportedOf = ({ person }: Link, nowMs: number) => ({
  actor: {
    type: "USER" as const,
    id: person.userId,
    impersonator_id: null,
    ip: null,
    user_agent: NO_USER_AGENT,
  },
  impersonatedId: null,
  occurredAtMs: nowMs,
});
