// The page of `lapel serve`.

import { startApp } from "./app.js";
import { server } from "./backend-server.js";
import { find } from "./dom.js";

find("curl").textContent = `curl -F photo=@shirt.jpg ${new URL("tag", document.baseURI)}`;
startApp(server);
