/**
 * A PIN among the first that anybody would try: one block of digits repeated (1111, 1212, 123123)
 * or digits counted up or down (1234, 9876). Such PINs lead every published list of chosen ones.
 * Source: Markert et al., "This PIN Can Be Easily Guessed", IEEE S&P 2020; NIST SP 800-63B, 5.1.1.2.
 */
export function isWeakPin(pin: string): boolean {
  return /^(\d{1,3})\1+$/.test(pin) || "0123456789".includes(pin) || "9876543210".includes(pin);
}
