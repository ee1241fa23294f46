/** Whose sessions a state holds. */
export interface Owner {
  readonly tenantId: string;
  readonly userId: string;
}

export function ownerOf(key: string): Owner {
  const at = key.indexOf("|");
  return { tenantId: key.slice(0, at), userId: key.slice(at + 1) };
}
