import { VigError } from "@vigie/core/errors";
import { uuidOf } from "@vigie/service-kit/ids";
import { type PageWanted, placeOf } from "@vigie/service-kit/keyset";
import { type Static, Type } from "typebox";
import { instantMs } from "../ingest/steps/event-time.ts";
import type { SessionFilter } from "./session-search.ts";

/** What the routes take as queries and path parameters. */

/** An id of a token, an event or a row: text without control characters. */
const ID = "^[^\\u0000-\\u001f\\u007f]{1,128}$";
const id = (description: string) => Type.String({ pattern: ID, description });
const words = (all: string[]) => Type.Unsafe<string>({ type: "string", enum: all });
const instant = (description: string) => Type.String({ maxLength: 40, description });

/** Rows of one page, unless asked otherwise, and at most. */
const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 200;

const paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT })),
  cursor: Type.Optional(Type.String({ maxLength: 100, description: "`next` of the page before" })),
};
const strict = { additionalProperties: false };

export const pageQuery = Type.Object(paging, strict);
export const listQuery = Type.Object(
  {
    include_inactive: Type.Optional(
      Type.Boolean({ default: false, description: "SES-11: ended sessions too" }),
    ),
    ...paging,
  },
  strict,
);
export const noQuery = Type.Object({}, strict);
export const userParams = Type.Object({ userId: id("of tokens and events, or the row's UUID") });

export const searchQuery = Type.Object(
  {
    user: Type.Optional(id("user, by either id")),
    device: Type.Optional(id("device, by either id")),
    channel: Type.Optional(words(["MOBILE", "WEB", "USSD", "API"])),
    organisation: Type.Optional(id("org_id of staff")),
    status: Type.Optional(words(["ACTIVE", "IDLE_EXPIRED", "EXPIRED", "REVOKED", "LOGGED_OUT"])),
    country: Type.Optional(Type.String({ pattern: "^[A-Z]{2}$" })),
    risk_min: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    created_from: Type.Optional(instant("begun at or after; RFC 3339")),
    created_until: Type.Optional(instant("begun before")),
    active_from: Type.Optional(instant("last activity at or after")),
    active_until: Type.Optional(instant("last activity before")),
    ...paging,
  },
  strict,
);

export const usageQuery = Type.Object(
  {
    // Source: a year and the year before fit one answer of some thousand rows.
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: 366, default: 30 })),
  },
  strict,
);

export function pageWanted(query: Static<typeof pageQuery>): PageWanted {
  const { limit = LIMIT_DEFAULT, cursor } = query;
  return { limit, after: cursor === undefined ? null : placeOf(cursor) };
}

/** Throws: VIG_QUERY_INVALID for a time that is none. */
export function filterOf(tenantKey: string, query: Static<typeof searchQuery>): SessionFilter {
  const { user, device, channel, organisation, status, country, risk_min: riskMin } = query;
  return {
    ...(user !== undefined && { userId: uuidOf(tenantKey, "user", user) }),
    ...(device !== undefined && { deviceId: uuidOf(tenantKey, "device", device) }),
    ...(organisation !== undefined && { orgId: organisation }),
    // Every session has a risk of 0 at least.
    ...(riskMin !== undefined && riskMin > 0 && { riskMin }),
    ...(country !== undefined && { country }),
    ...(status !== undefined && { status }),
    ...(channel !== undefined && { sessionType: channel.toLowerCase() }),
    ...timeOf("createdFromMs", "created_from", query),
    ...timeOf("createdUntilMs", "created_until", query),
    ...timeOf("activeFromMs", "active_from", query),
    ...timeOf("activeUntilMs", "active_until", query),
  };
}

function timeOf(
  name: keyof SessionFilter,
  path: "created_from" | "created_until" | "active_from" | "active_until",
  query: Static<typeof searchQuery>,
): Partial<SessionFilter> {
  const given = query[path];
  if (given === undefined) return {};
  const ms = instantMs(given);
  // PostgreSQL has no year 0.
  if (ms === null || ms < 0)
    throw new VigError("VIG_QUERY_INVALID", { path, why: "is no RFC 3339 time" });
  return { [name]: ms };
}
