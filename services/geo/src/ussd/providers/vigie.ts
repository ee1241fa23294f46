import { createHmac } from "node:crypto";
import type { ProviderName, UssdCallback } from "../callback.ts";
import type { Screen } from "../machine/types.ts";
import {
  type Fields,
  fieldsOf,
  phoneOf,
  serviceCodeOf,
  sessionIdOf,
  typedOf,
  whole,
} from "./fields.ts";
import type { Provider, ProviderAnswer, RawCallback } from "./provider.ts";
import { sameText } from "./same-secret.ts";

const SCHEME = "sha256=";

/** `X-USSD-Signature` for a body. Source: USS-04. */
export const signatureOf = (secret: string, body: string | Buffer): string =>
  SCHEME + createHmac("sha256", secret).update(body).digest("hex");

/**
 * Our own format, for any gateway that can sign: `X-USSD-Signature` over the bytes received, or over the body
 * serialised again (CNF-27). `secrets`: the current one and those before it that are still taken.
 */
export function vigieProvider(secrets: readonly string[]): Provider {
  return {
    name: "vigie",
    countries: null,
    vouchesFor: (raw) => isSigned(raw, secrets),
    read: (raw) => ({ kind: "turn", callback: wholeOf("vigie", fieldsOf(raw)) }),
    answer: plainAnswer,
    acknowledge: () => plain(""),
  };
}

function isSigned(raw: RawCallback, secrets: readonly string[]): boolean {
  const given = raw.headers["x-ussd-signature"];
  if (typeof given !== "string" || !given.startsWith(SCHEME)) return false;
  const bodies = [raw.body, serialisedAgain(raw)].filter((body) => body !== null);
  // No early end: every signature is compared.
  return bodies
    .flatMap((body) => secrets.map((secret) => sameText(given, signatureOf(secret, body))))
    .includes(true);
}

function serialisedAgain(raw: RawCallback): string | null {
  try {
    return JSON.stringify(fieldsOf(raw));
  } catch {
    return null;
  }
}

/** Source: USS-03, and Africa's Talking, whose names these are. */
export const wholeOf = (provider: ProviderName, fields: Fields): UssdCallback => ({
  provider,
  sessionId: sessionIdOf(fields, "sessionId"),
  serviceCode: serviceCodeOf(fields, "serviceCode"),
  phone: phoneOf(fields, "phoneNumber"),
  input: whole(typedOf(fields, "text")),
});

/** USS-05. */
export const plainAnswer = ({ kind, text }: Screen): ProviderAnswer => plain(`${kind} ${text}`);

export const plain = (body: string): ProviderAnswer => ({
  contentType: "text/plain; charset=utf-8",
  body,
});
