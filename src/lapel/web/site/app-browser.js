// The page with the model in the browser itself.

import { startApp } from "./app.js";
import { browser } from "./backend-browser.js";

startApp(browser);
// Kept for the time without a network; browsers allow it at https:// and on localhost.
navigator.serviceWorker?.register("service-worker.js").catch(() => {});
