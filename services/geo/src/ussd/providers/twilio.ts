import { createHmac } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import type { UssdRequest } from "../callback.ts";
import type { Screen } from "../machine/types.ts";
import {
  type Fields,
  fieldsOf,
  oneStep,
  phoneOf,
  serviceCodeOf,
  sessionIdOf,
  textOf,
  typedOf,
} from "./fields.ts";
import type { Provider, ProviderAnswer, RawCallback } from "./provider.ts";
import { isOneOf } from "./same-secret.ts";

export interface TwilioOptions {
  /** Auth tokens of the account: primary, and secondary while it is being changed. */
  readonly authTokens: readonly string[];
  /** Scheme and host that Twilio calls, as in https://geo.molam.example: it signs the whole URL. */
  readonly publicUrl: string;
}

/** Counts the steps of a call: it comes back with the digits, under the signature. */
const STEP = "step";
/** States of a call that is over. Source: Twilio, Call resource, status values. */
const OVER = new Set(["completed", "busy", "failed", "no-answer", "canceled"]);
/** How long a person may think between two keys; Twilio's own default of 5 s is short for a menu that was just read. */
const GATHER_TIMEOUT_S = 10;

/**
 * What Twilio signs: the URL, then names and values of the form, sorted by name, as base64 of HMAC-SHA-1.
 * Source: Twilio, Security, validating requests.
 */
export function twilioSignatureOf(authToken: string, url: string, fields: Fields): string {
  const parts = Object.entries(fields)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => name + String(value));
  return createHmac("sha1", authToken)
    .update(url + parts.join(""))
    .digest("base64");
}

/** Twilio Programmable Voice: the same menus spoken, typed on the keys of the phone. */
export const twilioProvider = (options: TwilioOptions): Provider => ({
  name: "twilio",
  countries: null,
  vouchesFor: (raw) => isSigned(raw, options),
  read,
  answer: (screen, { input }) =>
    twiml(spoken(screen, input.kind === "step" ? (input.number ?? 0) + 1 : 1)),
  acknowledge: () => twiml(""),
});

function isSigned(raw: RawCallback, { authTokens, publicUrl }: TwilioOptions): boolean {
  const given = raw.headers["x-twilio-signature"];
  // A JSON body would be signed otherwise, and voice callbacks have none.
  if (typeof given !== "string" || raw.mediaType !== "form") return false;
  const fields = signedFields(raw);
  if (fields === null) return false;
  const url = publicUrl.replace(/\/$/, "") + raw.path;
  return isOneOf(
    given,
    authTokens.map((token) => twilioSignatureOf(token, url, fields)),
  );
}

/** Null: no form that Twilio sends; nobody is told why before it is known who calls. */
function signedFields(raw: RawCallback): Fields | null {
  try {
    return fieldsOf(raw);
  } catch {
    return null;
  }
}

function read(raw: RawCallback): UssdRequest {
  const fields = fieldsOf(raw);
  const session = { provider: "twilio", sessionId: sessionIdOf(fields, "CallSid") } as const;
  if (OVER.has(textOf(fields, "CallStatus"))) return { kind: "over", session };
  const callback = {
    ...session,
    serviceCode: serviceCodeOf(fields, "To"),
    phone: phoneOf(fields, "From"),
    input: oneStep(typedOf(fields, "Digits"), stepOf(raw)),
  };
  return { kind: "turn", callback };
}

function stepOf({ path }: RawCallback): number {
  const [, query = ""] = path.split("?", 2);
  const given = new URLSearchParams(query).getAll(STEP).join() || "0";
  if (/^\d{1,4}$/.test(given)) return Number(given);
  throw new VigError("VIG_BODY_INVALID", { path: STEP, why: "is no number" });
}

/** Line by line, so that a voice pauses between the choices. Silence ends the call. */
function spoken({ kind, text, language }: Screen, next: number): string {
  const tag = language === "fr" ? "fr-FR" : "en-GB";
  const says = text
    .split("\n")
    .map((line) => `<Say language="${tag}">${escaped(line)}</Say>`)
    .join("");
  if (kind === "END") return `${says}<Hangup/>`;
  // Relative to the URL that was called, without its query.
  const gather = `input="dtmf" method="POST" action="?${STEP}=${next}" timeout="${GATHER_TIMEOUT_S}"`;
  return `<Gather ${gather}>${says}</Gather><Hangup/>`;
}

const twiml = (verbs: string): ProviderAnswer => ({
  contentType: "text/xml; charset=utf-8",
  body: `<?xml version="1.0" encoding="UTF-8"?><Response>${verbs}</Response>`,
});

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (mark) => entities[mark] ?? "");
