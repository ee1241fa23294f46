import type { UssdCallback } from "../callback.ts";
import { fieldsOf, textOf } from "./fields.ts";
import type { Provider, RawCallback } from "./provider.ts";
import { type UnsignedSource, unsignedVerifier } from "./unsigned.ts";
import { plain, plainAnswer, wholeOf } from "./vigie.ts";

/** Source: USS-08. */
const COUNTRIES = new Set(["SN", "CI", "GH", "NG"]);

/**
 * Africa's Talking: form-encoded callbacks, answered in plain text; it signs nothing. The notice at the end of a
 * session may come to the same address. Source: its USSD documentation (session callback, end of session notification).
 */
export const africasTalkingProvider = (source: UnsignedSource): Provider => ({
  name: "africastalking",
  countries: COUNTRIES,
  vouchesFor: unsignedVerifier(source),
  read,
  answer: plainAnswer,
  acknowledge: () => plain(""),
});

function read(raw: RawCallback): UssdCallback {
  const fields = fieldsOf(raw);
  // Only the notice tells how long it took.
  const isOver = textOf(fields, "durationInMillis") !== "";
  return { ...wholeOf("africastalking", fields), isOver };
}
