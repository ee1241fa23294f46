/**
 * The GSM 7 bit default alphabet, without what it shows as a space or moves the cursor by (CR, ESC).
 * Source: 3GPP TS 23.038, section 6.2.1.
 */
const BASIC =
  "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/** Its extension table: each takes an ESC before it. Source: as above, section 6.2.1.1. */
const EXTENDED = "^{}\\[~]|€";

const septets = new Map<string, number>([
  ...[...BASIC].map((char) => [char, 1] as const),
  ...[...EXTENDED].map((char) => [char, 2] as const),
]);

/**
 * What a screen takes. An USSD string has 160 octets, which hold 182 septets (3GPP TS 23.038,
 * section 6.1.2.3); gateways that count characters as octets cut at 160, so the smaller one holds.
 */
export const SCREEN_CHARS_MAX = 160;

/** Septets of `text`; null if a character is not in the alphabet: a gateway would show it as `?`. */
export function gsmLength(text: string): number | null {
  let length = 0;
  for (const char of text) {
    const width = septets.get(char);
    if (width === undefined) return null;
    length += width;
  }
  return length;
}
