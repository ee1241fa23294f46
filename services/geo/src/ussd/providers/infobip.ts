import { VigError } from "@vigie/core/errors";
import type { UssdCallback } from "../callback.ts";
import {
  type Fields,
  fieldsOf,
  oneStep,
  phoneOf,
  serviceCodeOf,
  textOf,
  typedOf,
} from "./fields.ts";
import type { Provider, ProviderAnswer, RawCallback } from "./provider.ts";
import { type UnsignedSource, unsignedVerifier } from "./unsigned.ts";

/** Source: the exit code of a request that was served, in Infobip's interface for third-party applications. */
const SERVED = 200;

/**
 * Infobip's USSD gateway: JSON to `…/session/{sessionId}/{start|response|end}`, answered with the menu and whether it
 * is the last one; it signs nothing. Each call has the last step alone, the first one the code as dialled.
 * Source: Infobip, USSD Gateway to Third-party Application HTTP/REST/JSON Web Service API.
 */
export const infobipProvider = (source: UnsignedSource): Provider => ({
  name: "infobip",
  countries: null,
  vouchesFor: unsignedVerifier(source),
  read,
  answer: ({ kind, text }) => json({ shouldClose: kind === "END", ussdMenu: text }),
  acknowledge: () => json({}),
});

function read(raw: RawCallback): UssdCallback {
  if (raw.session === null)
    throw new VigError("VIG_BODY_INVALID", { path: "path", why: "names no session" });
  const { id: sessionId, method } = raw.session;
  const head = { provider: "infobip", sessionId } as const;
  if (method === "end") return { kind: "over", ...head };
  const fields = fieldsOf(raw);
  const dialled = method === "start" ? dialledOf(fields) : null;
  return {
    kind: "turn",
    ...head,
    serviceCode: dialled?.serviceCode ?? serviceCodeOf(fields, "shortCode"),
    phone: phoneOf(fields, "msisdn"),
    input: dialled === null ? oneStep(typedOf(fields, "text"), null) : oneStep(dialled.typed, 0),
  };
}

/** `*131*1#` of the code `*131#` is the code and its first step. A short code may be missing: then all is the code. */
function dialledOf(fields: Fields): { readonly serviceCode: string; readonly typed: string } {
  const text = typedOf(fields, "text");
  const named = textOf(fields, "shortCode") === "" ? "text" : "shortCode";
  const serviceCode = serviceCodeOf(fields, named);
  const stem = `${serviceCode.slice(0, -1)}*`;
  const typed = text.startsWith(stem) ? text.slice(stem.length).replace(/#$/, "") : "";
  return { serviceCode, typed };
}

const json = (answer: object): ProviderAnswer => ({
  contentType: "application/json; charset=utf-8",
  body: JSON.stringify({ ...answer, responseExitCode: SERVED, responseMessage: "" }),
});
