/** States of rows that only keep foreign keys true and are no sessions. Source: migrations of the session sink. */
const STUBS = ["PENDING", "NONE", "REFUSED"] as const;

export const isStub = (status: string): boolean => (STUBS as readonly string[]).includes(status);

/** The words are those of the partial indexes. */
export const IS_SESSION = `status not in (${STUBS.map((status) => `'${status}'`).join(", ")})`;
