import { join } from "node:path";
import { messageOf, VigError } from "@vigie/core/errors";
import { readOrNull, replaceFile } from "@vigie/service-kit/objects/folder";
import type { Place } from "./place.ts";

/** A file of the newest checkpoint, outside of the database and of Kafka. It is of this machine alone. */
export function filePlace(folder: string, prefix: string, origin: string): Place {
  const path = join(folder, `${prefix}${encodeURIComponent(origin)}.checkpoint`);
  return {
    name: "file",
    newest: () => away(async () => (await readOrNull(path))?.toString("utf8") ?? null),
    keep: ({ note }) => away(() => replaceFile(path, Buffer.from(note))),
  };
}

async function away<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new VigError("VIG_OBJECTS_AWAY", { why: messageOf(cause) }, { cause });
  }
}
