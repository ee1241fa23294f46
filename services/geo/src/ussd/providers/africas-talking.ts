import type { UssdRequest } from "../callback.ts";
import { fieldsOf, sessionIdOf, textOf } from "./fields.ts";
import type { Provider, RawCallback } from "./provider.ts";
import { type UnsignedSource, unsignedVerifier } from "./unsigned.ts";
import { plain, plainAnswer, wholeOf } from "./vigie.ts";

const NAME = "africastalking";
/** Source: USS-08. */
const COUNTRIES = new Set(["SN", "CI", "GH", "NG"]);

/**
 * Africa's Talking: form-encoded callbacks, answered in plain text; it signs nothing. The notice at the end of a
 * session may come to the same address. Source: its USSD documentation (session callback, end of session notification).
 */
export const africasTalkingProvider = (source: UnsignedSource): Provider => ({
  name: NAME,
  countries: COUNTRIES,
  vouchesFor: unsignedVerifier(source),
  read,
  answer: plainAnswer,
  acknowledge: () => plain(""),
});

function read(raw: RawCallback): UssdRequest {
  const fields = fieldsOf(raw);
  // Only the notice tells how long it took.
  if (textOf(fields, "durationInMillis") === "") {
    return { kind: "turn", callback: wholeOf(NAME, fields) };
  }
  return { kind: "over", session: { provider: NAME, sessionId: sessionIdOf(fields, "sessionId") } };
}
