import { VigError } from "@vigie/core/errors";
import type { UssdRequest } from "../callback.ts";
import { fieldsOf, oneStep, phoneOf, serviceCodeOf, sessionIdOf, typedOf } from "./fields.ts";
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

function read(raw: RawCallback): UssdRequest {
  if (raw.session === null) {
    throw new VigError("VIG_BODY_INVALID", { path: "path", why: "names no session" });
  }
  const { method } = raw.session;
  const session = { provider: "infobip", sessionId: sessionIdOf(raw.session, "id") } as const;
  if (method === "end") return { kind: "over", session };
  if (method !== "start" && method !== "response") {
    throw new VigError("VIG_BODY_INVALID", { path: "path", why: "is no method of a session" });
  }
  const fields = fieldsOf(raw);
  const isStart = method === "start";
  const callback = {
    ...session,
    serviceCode: serviceCodeOf(fields, isStart ? "text" : "shortCode"),
    phone: phoneOf(fields, "msisdn"),
    input: isStart ? oneStep("", 0) : oneStep(typedOf(fields, "text"), null),
  };
  return { kind: "turn", callback };
}

const json = (answer: object): ProviderAnswer => ({
  contentType: "application/json; charset=utf-8",
  body: JSON.stringify({ ...answer, responseExitCode: SERVED, responseMessage: "" }),
});
