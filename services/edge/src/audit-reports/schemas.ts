import { APP_ACTION, upstreamActions } from "@vigie/schemas/audit-actions";
import { ID_MAX_LENGTH, USER_AGENT_MAX_LENGTH } from "@vigie/schemas/constraints";
import { type Static, Type } from "typebox";
import { id, strict } from "../commands/schemas.ts";

/** As events take it: the part of a Kafka key. Source: USER_ID of @vigie/core/keys. */
const userId = (description: string) =>
  Type.String({
    minLength: 1,
    maxLength: ID_MAX_LENGTH,
    pattern: "^[^|\\u0000-\\u001f\\u007f]+$",
    description,
  });

export const reportBody = strict({
  action: Type.Union([
    Type.Union(upstreamActions.map((action) => Type.Literal(action))),
    Type.String({ pattern: APP_ACTION.source, description: "an application's own" }),
  ]),
  occurred_at: Type.Integer({ minimum: 0, description: "ms since the epoch, UTC" }),
  actor: strict({
    type: Type.Union([Type.Literal("USER"), Type.Literal("ADMIN"), Type.Literal("SYSTEM")]),
    id: id("user, administrator, or name of the service"),
    ip: Type.Optional(Type.String({ maxLength: 64, description: "of the actor, as was seen" })),
    user_agent: Type.Optional(Type.String({ maxLength: USER_AGENT_MAX_LENGTH })),
  }),
  impersonator_id: Type.Optional(
    userId("the administrator behind the actor; with impersonation_… the one who impersonates"),
  ),
  subject_user_id: Type.Optional(userId("whom it concerns")),
  details: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: "what else is to be known; sealed under the key of the subject if there is one",
    }),
  ),
});
export type Report = Static<typeof reportBody>;

export const recordedSchema = Type.Object(
  { recorded_at: Type.String({ format: "date-time" }) },
  { description: "the broker has the record" },
);
