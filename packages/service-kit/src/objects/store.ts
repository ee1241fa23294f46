/**
 * A place for files that others read: a folder, or a bucket. Names are relative, with `/` between their parts.
 */
export interface ObjectStore {
  /** For logs; no credentials. */
  readonly name: string;
  /**
   * Writes a file whole, or not at all; one of this name is replaced. Resolves once it is durable.
   * Throws: VIG_OBJECTS_AWAY.
   */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** Null: there is no such file. Throws: VIG_OBJECTS_AWAY. */
  get(path: string): Promise<Buffer | null>;
  /** Files that are not there are no error. Throws: VIG_OBJECTS_AWAY. */
  remove(paths: readonly string[]): Promise<void>;
}
