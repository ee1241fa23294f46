import { hostname } from "node:os";

/** Who writes a series of audit records: this instance of a service, since this start. */
export const emitterOf = (
  service: string,
  { INSTANCE_ID }: { readonly INSTANCE_ID: string | null },
  bootId: string,
): string => `${service}.${INSTANCE_ID ?? hostname()}.${bootId}`;
