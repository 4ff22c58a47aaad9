// The token that some servers ask for: kept until the tab is closed.

import { find } from "./dom.js";

const KEY = "lapel-token";
let asking;

export const token = () => sessionStorage.getItem(KEY);

/** Asks for another token than the one that was used; false where none is given. */
export function freshToken(used) {
	if (token() !== used) return Promise.resolve(true);
	asking ??= askForToken(Boolean(used)).finally(() => (asking = undefined));
	return asking;
}

function askForToken(again) {
	const dialog = find("token");
	const text = find("token-text");
	let given = false;
	find("token-title").textContent = again ? "That token is not the right one" : "This server asks for a token";
	text.value = "";
	dialog.showModal();
	return new Promise((resolve) => {
		const done = new AbortController();
		const listen = (id, event, act) => find(id).addEventListener(event, act, { signal: done.signal });
		listen("token-form", "submit", (event) => {
			event.preventDefault();
			sessionStorage.setItem(KEY, text.value.trim());
			given = true;
			document.dispatchEvent(new Event("token"));
			dialog.close();
		});
		listen("token-cancel", "click", () => dialog.close());
		listen("token", "close", () => {
			done.abort();
			resolve(given);
		});
	});
}
