import { VigError } from "@vigie/core/errors";
import { beforeAnswer } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, personAlone, schemasKnown } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { GeoContext } from "../../context.ts";
import { PIN } from "../machine/types.ts";
import { isWeakPin } from "../machine/weak-pin.ts";
import { onRecord } from "../on-record.ts";
import { createPinBook } from "./pin-book.ts";
import { createResetCodes } from "./reset-codes.ts";

const SET = "ussd.pin_set";
const DRAWN = "ussd.reset_code_drawn";

const pinBody = Type.Object(
  { pin: Type.String({ pattern: PIN.source, description: "4 to 6 digits" }) },
  { additionalProperties: false },
);
const setSchema = Type.Object({
  status: Type.Literal("set"),
  replaced: Type.Boolean({ description: "there was one before" }),
});
const codeSchema = Type.Object(
  {
    code: Type.String({ description: "to be typed on the phone, once" }),
    expires_at: Type.String({ format: "date-time" }),
  },
  { description: "shown here only; one that was drawn before is void" },
);

/** USS-02: a person in a signed-in session sets their PIN, or draws the second proof for setting it by phone. */
export function ussdPins(scope: FastifyInstance, context: GeoContext): void {
  const { database, keys, clock } = context;
  const pins = createPinBook(database, keys, clock);
  const codes = createResetCodes(keys, clock);
  const shared = {
    validatorCompiler: strictBody,
    onRequest: [schemasKnown(context), ...personAlone(context)],
  };
  const head = { tags: ["ussd"], security: [{ bearer: [] }] };
  scope.put<{ Body: Static<typeof pinBody> }>(
    "/v1/ussd/pin",
    {
      ...shared,
      schema: {
        ...head,
        summary: "Sets the caller's PIN for USSD; tries begin anew",
        body: pinBody,
        response: { 200: setSchema, ...problemResponses },
      },
      config: { audit: beforeAnswer(SET) },
    },
    (request): Promise<Static<typeof setSchema>> => {
      const { pin } = request.body;
      if (isWeakPin(pin)) {
        throw new VigError("VIG_BODY_INVALID", { path: "pin", why: "is among those tried first" });
      }
      return onRecord(context, request, SET, async (tx, tenantId) => {
        const userId = callerOf(request).subject;
        const replaced = await pins.set(tx, { tenantId, userId }, pin);
        return {
          subjectUserId: userId,
          payload: { by: "session", replaced },
          answer: { status: "set", replaced },
        };
      });
    },
  );
  scope.post(
    "/v1/ussd/pin/reset-code",
    {
      ...shared,
      schema: {
        ...head,
        summary: "Draws the one-time code by which the phone may set another PIN",
        response: { 200: codeSchema, ...problemResponses },
      },
      config: { audit: beforeAnswer(DRAWN) },
    },
    (request): Promise<Static<typeof codeSchema>> => {
      return onRecord(context, request, DRAWN, async (tx, tenantId) => {
        const userId = callerOf(request).subject;
        const { code, expiresAtMs } = await codes.draw(tx, { tenantId, userId });
        const expires_at = new Date(expiresAtMs).toISOString();
        return { subjectUserId: userId, payload: {}, answer: { code, expires_at } };
      });
    },
  );
}
