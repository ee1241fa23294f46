import { orNull } from "@vigie/service-kit/http/or-null";
import { Type } from "typebox";

/** Neither control characters nor halves of others: no table takes them as they are. */
const STORABLE = "^[^\\p{Cc}\\p{Cs}]*$";

const text = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: STORABLE, description });
const exact = { additionalProperties: false } as const;

const locale = Type.String({ pattern: "^[a-z]{2,3}_[A-Z]{2}$", description: "fr_SN" });
const zone = text(64, "IANA name");
/** Source: 3GPP TS 22.090, section 5, of digits only. */
const ussdPrefix = Type.String({ maxLength: 64, pattern: "^[*#]\\d{1,8}(\\*\\d{1,10})*#$" });

const carrier = Type.Object(
  {
    name: text(64, "as its customers know it"),
    mncs: Type.Array(Type.Integer({ minimum: 0, maximum: 999 }), { minItems: 1, maxItems: 32 }),
    asns: Type.Array(Type.Integer({ minimum: 1, maximum: 4_294_967_295 }), {
      maxItems: 32,
      description: "autonomous systems whose addresses are of phones for the most part",
    }),
  },
  exact,
);

/** GEO-11: what the list tells of each. */
const listed = {
  name: text(64, "as its people write it"),
  currency: Type.String({ pattern: "^[A-Z]{3}$", description: "ISO 4217" }),
  currencySymbol: text(8, "as people write it"),
  timezone: zone,
  phonePrefix: Type.String({ pattern: "^\\+[1-9]\\d{0,2}$" }),
  phoneExample: text(32, "a mobile number, for people"),
  locale,
  supportsUssd: Type.Boolean(),
  supportsMobileMoney: Type.Boolean(),
};

/** What is told of one country besides. */
const detailed = {
  ...listed,
  active: Type.Boolean(),
  phonePattern: text(200, "regular expression of its mobile numbers in E.164"),
  timezones: Type.Array(zone, { minItems: 1, maxItems: 64 }),
  locales: Type.Array(locale, { minItems: 1, maxItems: 32 }),
  ussdPrefix: orNull(ussdPrefix),
  carriers: Type.Array(carrier, { maxItems: 64 }),
  mcc: Type.Array(Type.Integer({ minimum: 200, maximum: 799 }), { minItems: 1, maxItems: 8 }),
  capital: text(64, "its capital"),
};

const code = { code: Type.String({ description: "ISO 3166-1 alpha-2" }) };

export const listedCountry = Type.Object({ ...code, ...listed });
export const detailedCountry = Type.Object({ ...code, ...detailed });

/** What an administrator writes; the code stands in the path. */
export const countryBody = Type.Object(
  {
    ...detailed,
    ussdGatewayUrl: orNull(
      Type.String({
        maxLength: 512,
        pattern: STORABLE,
        description: "https; null: a provider calls us",
      }),
    ),
  },
  exact,
);

export const storedCountry = Type.Object({
  version: Type.Integer({ description: "as in ETag" }),
  updatedAt: Type.String({ format: "date-time" }),
  updatedBy: Type.String(),
  country: Type.Object({ ...code, ...countryBody.properties }),
});

export const codeParams = Type.Object({
  code: Type.String({ pattern: "^[A-Za-z]{2}$", description: "ISO 3166-1 alpha-2" }),
});
