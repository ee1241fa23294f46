import { Type } from "typebox";

const receipt = {
  event_id: Type.String({ description: "as sent, else drawn by the edge" }),
  topic: Type.String(),
  partition: Type.Integer(),
  offset: Type.Integer(),
};

export const acceptedSchema = Type.Object(receipt, {
  description: "the broker has acknowledged the event on all in-sync replicas",
});

export const faultSchema = Type.Object({ path: Type.String(), why: Type.String() });

/** One item of a batch: what a single call would have answered, under its status. */
export const itemSchema = Type.Object({
  status: Type.Integer({ description: "202 accepted; anything else as in a single call" }),
  event_id: Type.Optional(receipt.event_id),
  topic: Type.Optional(receipt.topic),
  partition: Type.Optional(receipt.partition),
  offset: Type.Optional(receipt.offset),
  code: Type.Optional(Type.String({ description: "stable VIG_ code" })),
  detail: Type.Optional(Type.String()),
  errors: Type.Optional(Type.Array(faultSchema)),
});

export const batchSchema = Type.Object({
  accepted: Type.Integer({ description: "items acknowledged by the broker" }),
  refused: Type.Integer(),
  items: Type.Array(itemSchema, { description: "in the order of the request" }),
});
