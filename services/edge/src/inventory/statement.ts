import type { Place } from "@vigie/service-kit/keyset";
import { timeText, type Values } from "@vigie/service-kit/postgres/statement";

export { type Statement, timeText, Values } from "@vigie/service-kit/postgres/statement";

/**
 * What comes after a place in a list that is sorted newest first, by a column of time and the id. The bound on the time
 * alone lets PostgreSQL leave out the days after it.
 */
export function afterPlace(
  values: Values,
  after: Place | null,
): (time: string, id?: string) => string {
  if (after === null) return () => "";
  const atTime = values.put(timeText(after.atMs), "timestamp");
  const atId = values.put(after.id, "uuid");
  return (time, id = "id") =>
    `and ${time} <= ${atTime} and (${time}, ${id}) < (${atTime}, ${atId})`;
}
