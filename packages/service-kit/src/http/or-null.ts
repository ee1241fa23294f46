import { type TSchema, type TSchemaOptions, Type } from "typebox";

/** What an answer says of something that may not be known: a value, or null, and never left out. */
export const orNull = <T extends TSchema>(type: T, options?: TSchemaOptions) =>
  Type.Union([type, Type.Null()], options);

export const textOrNull = (description?: string) =>
  orNull(Type.String(), description === undefined ? undefined : { description });
