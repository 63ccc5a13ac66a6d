/** How far an own message has come, as a sign with a name. */

import { icon } from "./dom.js";

const SIGNS = {
  waiting: ["wait", "Waiting to be sent"],
  failed: ["failed", "Not sent"],
  sent: ["sent", "Sent"],
  delivered: ["double", "Delivered"],
  read: ["double", "Read"],
};

/** `state`: "waiting", "failed", "sent", "delivered" or "read". */
export function tick(state) {
  const [name, label] = SIGNS[state];
  const sign = icon(name, label);
  sign.classList.add("tick", `tick-${state}`);
  return sign;
}
