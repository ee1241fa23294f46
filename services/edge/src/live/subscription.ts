import { VigError } from "@vigie/core/errors";
import { userKey } from "@vigie/core/keys";
import { adminFault } from "@vigie/service-kit/http/access";
import type { Caller, TokenFacts } from "@vigie/service-kit/http/jwt";
import { countsUnits } from "@vigie/service-kit/http/strict-body";
import { refuseHalfCharacters } from "@vigie/service-kit/http/well-formed";
import { uuidOf } from "@vigie/service-kit/ids";
import { Ajv } from "ajv";
import { type Static, Type } from "typebox";
import { everybodyOf, type LiveEvent, type LiveKind, liveKinds } from "./event.ts";

/** The one message of a client. */
export const askedSchema = Type.Object(
  {
    type: Type.Literal("auth"),
    token: Type.String(),
    of: Type.Optional(Type.Union([Type.Literal("me"), Type.Literal("tenant")])),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    kinds: Type.Optional(
      Type.Array(Type.Union(liveKinds.map((kind) => Type.Literal(kind))), {
        minItems: 1,
        uniqueItems: true,
      }),
    ),
  },
  { additionalProperties: false },
);
export type Asked = Static<typeof askedSchema>;

const isAsked = countsUnits(new Ajv({ strict: false })).compile<Asked>(askedSchema);

/** Throws: VIG_BODY_INVALID. */
export function readAsked(text: string): Asked {
  let asked: unknown;
  try {
    asked = JSON.parse(text);
  } catch {
    throw new VigError("VIG_BODY_INVALID", { path: "message", why: "is no JSON" });
  }
  refuseHalfCharacters(text, asked);
  if (isAsked(asked)) return asked;
  const [fault] = isAsked.errors ?? [];
  const path = fault?.instancePath.split("/").slice(1).join(".") || "message";
  throw new VigError("VIG_BODY_INVALID", { path, why: fault?.message ?? "does not fit" });
}

/** What a connection is told of. */
export interface Subscription {
  readonly caller: Caller;
  readonly expiresAtMs: number;
  readonly of: "me" | "tenant";
  readonly user: string | null;
  readonly kinds: readonly LiveKind[];
  /** What the hub is asked for. */
  readonly keys: readonly string[];
  shows(event: LiveEvent): boolean;
}

/**
 * Pure. Throws: VIG_SCOPE_MISSING, VIG_ID_DOMAIN_ONLY (who may not read others), VIG_PERSON_ONLY (who has no sessions),
 * VIG_BODY_INVALID.
 */
export function subscriptionOf(
  asked: Asked,
  { caller, expiresAtS }: Pick<TokenFacts, "caller" | "expiresAtS">,
  idDomainOrgs: ReadonlySet<string>,
): Subscription {
  const { of = "me", user = null, kinds = liveKinds } = asked;
  const fault = of === "tenant" ? adminFault(caller, idDomainOrgs) : ownFault(caller);
  if (fault !== null) throw new VigError(fault, { scope: "id:admin" });
  if (of === "me" && user !== null) {
    throw new VigError("VIG_BODY_INVALID", { path: "user", why: "is for of: tenant" });
  }
  const { tenantId, subject } = caller;
  const wanted = new Set<LiveKind>(kinds);
  const wantedUser = user === null ? null : uuidOf(tenantId, "user", user);
  return {
    caller,
    expiresAtMs: expiresAtS * 1_000,
    of,
    user,
    kinds: [...wanted],
    keys: of === "tenant" ? [tenantId] : [userKey(tenantId, subject), everybodyOf(tenantId)],
    shows({ kind, value }) {
      if (!wanted.has(kind)) return false;
      if (wantedUser === null || kind === "epoch") return true;
      return uuidOf(tenantId, "user", value.user_id) === wantedUser;
    },
  };
}

const ownFault = ({ kind }: Caller): "VIG_PERSON_ONLY" | null =>
  kind === "user" ? null : "VIG_PERSON_ONLY";
