import type { ObjectStore } from "./store.ts";

/** The twin of a folder or bucket, for tests. */
export interface MemoryObjects extends ObjectStore {
  readonly files: ReadonlyMap<string, Buffer>;
}

export function memoryObjects(): MemoryObjects {
  const files = new Map<string, Buffer>();
  return {
    name: "memory",
    files,
    async put(path, bytes) {
      files.set(path, Buffer.from(bytes));
    },
    async get(path) {
      const found = files.get(path);
      return found === undefined ? null : Buffer.from(found);
    },
    async remove(paths) {
      for (const path of paths) files.delete(path);
    },
  };
}
