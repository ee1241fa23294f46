import { assert } from "@vigie/core/assert";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionCommand, SessionCommandResult } from "@vigie/schemas/types";
import type { OutgoingEvent } from "@vigie/service-kit/output/event-output";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import type { EdgeOptions } from "../app.ts";
import { NOW_MS, testEdge } from "../test-edge.ts";
import { createOutcomes } from "./outcomes.ts";

/** Sessions that live, by user. */
export type Living = Readonly<Record<string, readonly string[]>>;

/**
 * An edge with a processor behind it that does what the real one does with commands: the same id again has no effect
 * and no second result. `isSilent`: nothing is carried out.
 */
export function commandEdge(
  living: Living = {},
  { isSilent = false, ...overrides }: Partial<EdgeOptions> & { isSilent?: boolean } = {},
) {
  const codecs = memoryCodecs();
  const outcomes = createOutcomes(new DenialBook(() => NOW_MS));
  const decoder = codecs.decoder<SessionCommand>("id.session.command");
  const live = new Map(Object.entries(living).map(([user, ids]) => [user, new Set(ids)]));
  const commands: SessionCommand[] = [];
  const done = new Set<string>();
  const keys: string[] = [];

  function carryOut(command: SessionCommand): void {
    if (done.has(command.command_id)) return;
    done.add(command.command_id);
    const sessions = live.get(command.user_id) ?? new Set();
    const meant = [...sessions].filter((id) =>
      command.kind === "REVOKE_SESSION"
        ? id === command.session_id
        : id !== command.keep_session_id,
    );
    for (const id of meant) sessions.delete(id);
    const result: SessionCommandResult = {
      command_id: command.command_id,
      batch_id: command.batch_id,
      tenant_id: command.tenant_id,
      user_id: command.user_id,
      revoked_session_ids: meant,
      already_ended: 0,
      decided_at: NOW_MS,
    };
    setImmediate(() => outcomes.commands.deliver(result.command_id, result));
  }

  const memory = memoryOutput();
  const output = {
    ...memory,
    async publish(event: OutgoingEvent) {
      const receipt = await memory.publish(event);
      if (event.topic === "id.session.command") {
        const decoded = decoder.decode(event.value);
        assert(decoded.kind === "ok", "a command can be decoded");
        commands.push(decoded.value);
        keys.push(event.key);
        if (!isSilent) carryOut(decoded.value);
      }
      return receipt;
    },
  };
  // Long for a processor that answers at once, short for one that never does.
  const commandWaitMs = isSilent ? 20 : 20_000;
  const edge = testEdge({ codecs, outcomes, output, commandWaitMs, ...overrides });
  return { ...edge, outcomes, commands, keys, done, live, memory };
}

export type CommandEdge = ReturnType<typeof commandEdge>;
