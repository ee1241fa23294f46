import { type Static, Type } from "typebox";
import { channels } from "./command.ts";
import { doneSchema, id, pendingSchema, reason, strict } from "./schemas.ts";

const UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

const filter = strict({
  tenant_id: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9._-]{1,64}$",
      description: "alone: all its sessions; another than the caller's needs platform:admin",
    }),
  ),
  user_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: "^[^|\\u0000-\\u001f\\u007f]+$",
      description: "as tokens have it, or its UUID",
    }),
  ),
  session_id: Type.Optional(id("as tokens have it, or its UUID")),
  device_id: Type.Optional(id("as events have it, or its UUID")),
  channel: Type.Optional(Type.Enum(Object.keys(channels))),
  org_id: Type.Optional(id("organisation")),
  role: Type.Optional(id("role")),
  country: Type.Optional(Type.String({ pattern: "^[A-Z]{2}$", description: "ISO 3166-1 alpha-2" })),
});

export const adminBody = strict({
  filter,
  dry_run: Type.Optional(Type.Boolean({ description: "count only, and revoke nothing" })),
  reason: Type.Optional(reason),
  keep_session_id: Type.Optional(id("with user_id alone: the one session to spare, as session_id")),
  after: Type.Optional(Type.String({ pattern: UUID, description: "next of an answer" })),
});
export type AdminBody = Static<typeof adminBody>;

const countSchema = Type.Object(
  {
    status: Type.Literal("counted"),
    acts_by: Type.String({ description: "user: one command; epoch: one record; search: many" }),
    sessions: Type.Integer({ description: "live ones that the filter means now" }),
    users: Type.Integer(),
    is_exact: Type.Boolean({
      description: "false: over 10,000; those revoked in the last moments are counted too",
    }),
  },
  { description: "nothing was revoked" },
);

const epoch = {
  epoch_id: Type.String({ format: "uuid" }),
  scope: Type.String({ description: "TENANT, ORG, ROLE, CHANNEL" }),
  value: Type.Unsafe<string | null>({ type: ["string", "null"] }),
  not_before: Type.String({
    format: "date-time",
    description: "time of the broker; what began by then, and 5 s more, is revoked",
  }),
};

export const epochDoneSchema = Type.Object(
  { status: Type.Literal("done"), ...epoch },
  { description: "in force at every reader of id.session.epoch" },
);
export const epochPendingSchema = Type.Object(
  { status: Type.Literal("pending"), ...epoch },
  { description: "decided, and on its way to id.session.epoch" },
);

export const batchSchema = Type.Object(
  {
    status: Type.Literal("pending"),
    batch_id: Type.String({ format: "uuid" }),
    commands: Type.Integer({ description: "commands on record for this page of sessions" }),
    users: Type.Integer(),
    next: Type.Unsafe<string | null>({
      type: ["string", "null"],
      description: "more may match: send the same call with this as after",
    }),
  },
  { description: "a command for each match; Location tells how far they are" },
);

export const adminAnswers = {
  200: Type.Union([countSchema, doneSchema, epochDoneSchema]),
  202: Type.Union([pendingSchema, epochPendingSchema, batchSchema]),
};

export const batchStateSchema = Type.Object({
  batch_id: Type.String({ format: "uuid" }),
  commands: Type.Integer({ description: "that the read model has heard of" }),
  decided: Type.Integer({ description: "of them, carried out" }),
  terminated_count: Type.Integer({ description: "sessions that they ended" }),
});
