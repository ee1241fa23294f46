import { parseSize } from "@vigie/audit-log/checkpoint";
import { VigError } from "@vigie/core/errors";
import type { LeafFilter } from "@vigie/service-kit/audit/leaf-filter";
import { isUuid } from "@vigie/service-kit/ids";
import { type Static, type TProperties, Type } from "typebox";
import { instantMs } from "../ingest/steps/event-time.ts";
import type { AuditLog, PageWanted } from "./audit-log.ts";
import { placeOf } from "./place.ts";

/** What the routes take as queries and path parameters. */

const strict = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const id = (description: string) =>
  Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f]{1,128}$", description });
const instant = (description: string) => Type.String({ maxLength: 40, description });
/** As text: sizes of logs are uint64, and a JSON number is not. */
const count = (description: string) =>
  Type.String({ pattern: "^(0|[1-9][0-9]{0,19})$", description });

/** Entries of one page, unless asked otherwise, and at most: a leaf has up to 64 KiB. */
const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 200;

const tenant = Type.Optional(
  Type.String({
    pattern: "^(\\*|[A-Za-z0-9._-]{1,64})$",
    description: "another tenant, or * for all; needs platform:admin",
  }),
);

const filters = {
  tenant,
  actor: Type.Optional(
    id("who acted, or impersonated: user by either id, ref, or id of a service or policy"),
  ),
  action: Type.Optional(
    Type.String({ pattern: "^[a-z0-9._]{1,128}$", description: "e.g. session.revoked" }),
  ),
  subject: Type.Optional(
    id("whom it is about, or who was impersonated: user by either id, or ref"),
  ),
  impersonation: Type.Optional(Type.Boolean({ description: "done as somebody else, or not" })),
  from: Type.Optional(instant("done at or after; RFC 3339")),
  to: Type.Optional(instant("done before")),
};

export const searchQuery = strict({
  ...filters,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT })),
  cursor: Type.Optional(Type.String({ maxLength: 100, description: "`next` of the page before" })),
});

const witnessed = Type.Optional(
  Type.Boolean({ description: "of the newest tree that a witness cosigned, if not the newest" }),
);

export const checkpointQuery = strict({ witnessed });
export const exportQuery = strict({
  ...filters,
  witnessed,
  boxes: Type.Optional(
    Type.Enum(["opened", "sealed"], {
      default: "opened",
      description: "sealed: personal data stays encrypted, for an auditor who needs proofs only",
    }),
  ),
});

export const entryQuery = strict({ tenant });
export const entryParams = strict({ index: count("of the leaf, from 0 on") });
export const inclusionQuery = strict({
  index: count("of the leaf, from 0 on"),
  size: Type.Optional(count("leaves of the tree; unset: of the newest signed one")),
});
export const consistencyQuery = strict({
  first: count("leaves of the earlier tree, 1 or more"),
  second: Type.Optional(count("leaves of the later one; unset: of the newest signed one")),
});

type Filters = Omit<Static<typeof exportQuery>, "boxes" | "witnessed">;

export function pageWanted(query: Static<typeof searchQuery>): PageWanted {
  const { limit = LIMIT_DEFAULT, cursor } = query;
  return { limit, after: cursor === undefined ? null : placeOf(cursor) };
}

/** Nobody has it. Source: RFC 9562, 5.9. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

export interface Asked {
  readonly filter: LeafFilter;
  /** The filter as the record of the look has it, in clear: it names nobody. */
  readonly told: LeafFilter;
  /** Whom that record is about: the person asked for, if it is one of the caller's own tenant. */
  readonly person: string | null;
}

/** In a record: a service, a policy, or somebody of whom there is nothing. */
const OTHER = "other";

/**
 * What is asked for, in the words of leaves: persons by ref, times in ms. `reach`: as reachOf says; `own`: the
 * caller's tenant.
 * Throws: VIG_QUERY_INVALID for a time that is none.
 */
export async function askedOf(
  log: Pick<AuditLog, "refOf">,
  { reach, own }: { readonly reach: string | null; readonly own: string },
  query: Filters,
): Promise<Asked> {
  const { actor, action, subject, impersonation } = query;
  const refOf = async (given: string | undefined): Promise<string | null> =>
    given === undefined ? null : log.refOf(reach, given);
  const [subjectRef, actorRef] = [await refOf(subject), await refOf(actor)];
  const rest: LeafFilter = {
    ...(reach !== null && { tenant: reach }),
    ...(action !== undefined && { action }),
    ...(impersonation !== undefined && { impersonation }),
    ...timeOf("from", query),
    ...timeOf("to", query),
  };
  const people = [
    { given: subject, ref: subjectRef },
    { given: actor, ref: actorRef },
  ];
  // Who asks by ref has named nobody.
  const named = people.find(({ given, ref }) => ref !== null && ref !== given?.toLowerCase());
  return {
    filter: {
      ...rest,
      ...(actor !== undefined && { actor: actorRef ?? actorOf(actor) }),
      ...(subject !== undefined && { subject: subjectRef ?? subjectOf(subject) }),
    },
    told: {
      ...rest,
      ...(actor !== undefined && { actor: actorRef ?? OTHER }),
      ...(subject !== undefined && { subject: subjectRef ?? OTHER }),
    },
    person: reach === own ? (named?.given ?? null) : null,
  };
}

/** A ref of who was erased since, or the id of a service or policy. */
const actorOf = (given: string): string => (isUuid(given) ? given.toLowerCase() : given);
const subjectOf = (given: string): string => (isUuid(given) ? given.toLowerCase() : NOBODY);

function timeOf(path: "from" | "to", query: Filters): LeafFilter {
  const given = query[path];
  if (given === undefined) return {};
  const ms = instantMs(given);
  // PostgreSQL has no year 0.
  if (ms === null || ms < 0) {
    throw new VigError("VIG_QUERY_INVALID", { path, why: "is no RFC 3339 time" });
  }
  return { [path]: ms };
}

/** Throws: VIG_QUERY_INVALID above 2^64 - 1. */
export function countOf(path: string, given: string): bigint {
  const parsed = parseSize(given);
  if (parsed !== null) return parsed;
  throw new VigError("VIG_QUERY_INVALID", { path, why: "is no uint64" });
}
