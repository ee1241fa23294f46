import type { SessionCommandResult } from "@vigie/schemas/types";
import type { FastifyReply } from "fastify";
import { doneAnswer } from "./schemas.ts";

/** 200 with what the command did; 202 with where to ask while that is not known. */
export function answerOrder(
  reply: FastifyReply,
  commandId: string,
  result: SessionCommandResult | null,
): object {
  if (result !== null) return doneAnswer(result);
  reply.code(202).header("location", `/api/id/commands/${commandId}`);
  return { status: "pending", command_id: commandId };
}
