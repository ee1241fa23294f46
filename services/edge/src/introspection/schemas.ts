import { type Static, Type } from "typebox";

export const askedSchema = Type.Object(
  {
    token: Type.String({ description: "the token that somebody presented" }),
    token_type_hint: Type.Optional(
      Type.String({ description: "not needed; every token is a JWT" }),
    ),
  },
  { description: "as application/x-www-form-urlencoded; RFC 7662, section 2.1" },
);

const text = (description: string) => Type.Optional(Type.String({ description }));
const seconds = (description: string) => Type.Optional(Type.Integer({ description }));

/** One object for both answers: the serialiser leaves out what is absent, without asking which it is. */
export const introspectionSchema = Type.Object(
  {
    active: Type.Boolean({
      description: "the token is sound, of the caller's tenant, and its session lives now",
    }),
    scope: text("scopes of the token, separated by spaces"),
    client_id: text("the application that the token was issued to"),
    token_type: text("Bearer"),
    exp: seconds("when the token expires; epoch seconds"),
    iat: seconds("when it was issued; epoch seconds"),
    sub: text("user, or name of a service"),
    // Two types in one schema: of a union the serialiser would try one after the other.
    aud: Type.Optional(
      Type.Unsafe<string | string[]>({ type: ["string", "array"], items: { type: "string" } }),
    ),
    iss: text("issuer"),
    tenant_id: text("tenant"),
    sid: text("the session; absent for a service"),
    channel: text("MOBILE, WEB, USSD or API; of a token with a session"),
    step_up_required: Type.Optional(
      Type.Boolean({ description: "a second factor is asked for before anything sensitive" }),
    ),
    risk_score: Type.Optional(
      Type.Integer({ description: "highest risk of the session's live anomalies, 0 to 100" }),
    ),
    session_expires_at: seconds("when the session ends if nothing more is seen of it"),
  },
  { description: "RFC 7662, section 2.2; of a token that is not active nothing but that" },
);

export type Introspection = Static<typeof introspectionSchema>;
