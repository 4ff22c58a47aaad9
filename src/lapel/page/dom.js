// Small helpers for what is on the page.

export const find = (id) => document.getElementById(id);

/** An element with properties and children: make("p", { className: "name" }, "shirt.jpg"). */
export function make(tag, properties = {}, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children);
	return element;
}

/** A number with its noun: 1 photo, 2 photos. */
export const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

export const capitalized = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** Says something to those who hear the page. */
export function announce(text) {
	find("live").textContent = text;
}

/** Waits; an aborted signal ends the wait with its error. */
export function pause(milliseconds, signal) {
	return new Promise((resolve, reject) => {
		signal?.throwIfAborted();
		const timer = setTimeout(resolve, milliseconds);
		signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
	});
}
