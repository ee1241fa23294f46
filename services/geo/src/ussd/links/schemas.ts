import { ID_MAX_LENGTH } from "@vigie/schemas/constraints";
import { orNull } from "@vigie/service-kit/http/or-null";
import { type Static, type TProperties, Type } from "typebox";
import { languages } from "../machine/types.ts";

const strict = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

/** Source: ITU-T E.164. */
const phone = Type.String({ pattern: "^\\+[1-9][0-9]{6,14}$", description: "E.164" });
const country = Type.String({ pattern: "^[A-Z]{2}$", description: "ISO 3166-1 alpha-2" });
const userId = Type.String({
  minLength: 1,
  maxLength: ID_MAX_LENGTH,
  pattern: "^[^|\\u0000-\\u001f\\u007f]+$",
});
const language = Type.Union(languages.map((each) => Type.Literal(each)));
const time = Type.String({ format: "date-time" });

export const linkBody = strict({ phone, user_id: userId, language: Type.Optional(language) });
export const phoneBody = strict({ phone });
/** Source: RFC 3339. */
const INSTANT = "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2})$";
export const simChangeBody = strict({
  phone,
  changed_at: Type.Optional(Type.String({ pattern: INSTANT, description: "not later than now" })),
});
export const userParams = strict({ user: userId });

export const linkedSchema = Type.Object({
  status: Type.Literal("linked"),
  country,
  taken_over: Type.Boolean({ description: "the phone was another person's" }),
});
export const foundSchema = Type.Object({
  status: Type.Literal("done"),
  found: Type.Boolean({ description: "the phone is linked in this tenant" }),
});
export const linksSchema = Type.Object({
  user_id: Type.String(),
  phones: Type.Array(
    Type.Object({
      country,
      language: orNull(language),
      linked_at: time,
      sim_changed_at: orNull(time),
      has_pin: Type.Boolean({ description: "the user has set one" }),
    }),
    { description: "without the numbers" },
  ),
});

/** Source: 3GPP TS 22.090; a voice line is called by its number. */
const serviceCode = Type.String({
  maxLength: 32,
  pattern: "^(\\*[0-9]{1,8}(\\*[0-9]{1,10})*#|\\+[1-9][0-9]{6,14})$",
  description: "*131#, or the E.164 number of a voice line",
});
const supportPhone = Type.String({ pattern: "^[+0-9 *#]{1,20}$" });
const tenant = Type.String({ pattern: "^[A-Za-z0-9._-]{1,64}$" });

export const codeBody = strict({
  tenant_id: tenant,
  service_code: serviceCode,
  country,
  support_phone: Type.Optional(orNull(supportPhone)),
});
export const codeKeyBody = strict({ tenant_id: tenant, service_code: serviceCode, country });
export const codeSchema = Type.Object({
  service_code: Type.String(),
  country: Type.String(),
  support_phone: orNull(Type.String()),
});
export const codesSchema = Type.Object({ codes: Type.Array(codeSchema) });

export type LinkBody = Static<typeof linkBody>;
export type PhoneBody = Static<typeof phoneBody>;
export type SimChangeBody = Static<typeof simChangeBody>;
export type CodeBody = Static<typeof codeBody>;
export type CodeKeyBody = Static<typeof codeKeyBody>;
