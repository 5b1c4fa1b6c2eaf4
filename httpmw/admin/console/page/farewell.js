// The form says why the session before has ended, if the application cannot: the cookie of a session that
// was signed out in another tab is gone.

import { $, put } from "./dom.js";

const reasons = {
  signed_out: "You signed out in another tab.",
  expired: "You were signed out, because the console was not used for a while, or because you had signed in 8 hours before.",
  revoked: "Your session was revoked.",
  login_required: "An operator asked for a new login.",
};

const reason = sessionStorage.getItem("wafer-console-ended");
sessionStorage.removeItem("wafer-console-ended");
if ($("prompt").hidden && reasons[reason]) {
  put("prompt", `${reasons[reason]} Sign in to go on.`);
  $("prompt").hidden = false;
}
