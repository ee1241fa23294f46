import { ID_MAX_LENGTH } from "@vigie/schemas/constraints";
import type { SessionCommandResult } from "@vigie/schemas/types";
import { uuidOf } from "@vigie/service-kit/ids";
import { type TProperties, Type } from "typebox";

/** Ids of the source, as events take them. */
export const id = (description: string) =>
  Type.String({
    minLength: 1,
    maxLength: ID_MAX_LENGTH,
    pattern: "^[^\\u0000-\\u001f\\u007f]+$",
    description,
  });

/** Source: SES-26, the column that takes it. */
export const reason = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^[^\\u0000-\\u001f\\u007f]+$",
  description: "machine-readable, e.g. security_logout",
});

/** An object that takes no other members. */
export const strict = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

export const reasonBody = strict({ reason: Type.Optional(reason) });

export const doneSchema = Type.Object(
  {
    status: Type.Literal("done"),
    command_id: Type.String({ format: "uuid" }),
    terminated_count: Type.Integer({ description: "sessions that this command ended" }),
    revoked_session_ids: Type.Array(Type.String({ format: "uuid" }), {
      description: "as lists show them",
    }),
    already_ended: Type.Integer({ description: "sessions meant that had ended before" }),
    decided_at: Type.String({ format: "date-time" }),
  },
  { description: "the command was carried out: its sessions are revoked" },
);

export const pendingSchema = Type.Object(
  {
    status: Type.Literal("pending"),
    command_id: Type.String({ format: "uuid" }),
  },
  { description: "the command is on record and will be carried out; Location tells where to ask" },
);

export const doneAnswer = (result: SessionCommandResult) => ({
  status: "done" as const,
  command_id: result.command_id,
  terminated_count: result.revoked_session_ids.length,
  revoked_session_ids: result.revoked_session_ids.map((session) =>
    uuidOf(result.tenant_id, "session", session),
  ),
  already_ended: result.already_ended,
  decided_at: new Date(result.decided_at).toISOString(),
});
