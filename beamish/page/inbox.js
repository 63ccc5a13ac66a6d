/**
 * The cursor rules (protocol, section 7), pure.
 *
 * A cursor is `{epoch, number}`: this device has stored everything up to `number`.
 */

/** What to do with an `updates` event: "apply", "old", "gap" or "other_epoch". */
export function judge(cursor, event) {
  if (cursor === null || event.epoch !== cursor.epoch) {
    return "other_epoch";
  }
  if (event.to <= cursor.number) {
    return "old";
  }
  return event.from <= cursor.number + 1 ? "apply" : "gap";
}

/** The items of an event that are news above the cursor, and the cursor after them. */
export function newsOf(cursor, event) {
  const items = event.items.filter((item) => item.n > cursor.number && item.n <= event.to);
  return { items, cursor: { epoch: cursor.epoch, number: event.to } };
}

/** Whether a received `updates` event or `fetch` answer has the form that the rules rely on. */
export function isSound(event) {
  return (
    Number.isSafeInteger(event.from) &&
    Number.isSafeInteger(event.to) &&
    Array.isArray(event.items) &&
    event.from >= 1
  );
}
