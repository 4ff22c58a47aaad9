// How a tag is told: in words, and as measuring tapes.

import { make } from "./dom.js";

const DOUBTS = {
	unsure: "I am not sure enough",
	"not one of the classes": "it may be something I have no label for",
	"no garment found": "I see no garment in this picture",
};

export const UNKNOWN = "I don’t know";

/** What a tag says in a word or three. */
export const saying = (tag) => (tag.accepted ? tag.label : UNKNOWN);

/** What a tag that is not accepted leans to, and why it is not; nothing where it is. The shares follow, and they compare labels only. */
export function reasonOf({ accepted, label, reason }) {
	return accepted ? "" : `Looks like ${label}, but ${DOUBTS[reason] ?? reason}. Among the labels I know:`;
}

/** A share as people read it; a little doubt never becomes certainty. */
export function percent(share) {
	if (share > 0.99 && share < 1) return "over 99\u00a0%";
	if (share > 0 && share < 0.01) return "under 1\u00a0%";
	return `${Math.round(share * 100)}\u00a0%`;
}

/** Rolls a measuring tape out as far as the share. */
export function measure(tape, share) {
	tape.style.setProperty("--share", `${(share * 100).toFixed(1)}%`);
	return tape;
}

/** The labels of a tag with their shares. */
export function bars(tag) {
	const rows = [tag, ...tag.alternatives].map(({ label, confidence }) => {
		const tape = measure(make("span", { className: "tape", ariaHidden: "true" }), confidence);
		return make("li", {}, make("span", {}, label), " ", make("span", { className: "share" }, percent(confidence)), tape);
	});
	return make("ol", { className: "bars" }, ...rows);
}

/** Shows an answer in full; it may be an error, too. */
export function showAnswer(place, tag) {
	if (tag.error) {
		place.replaceChildren(make("p", { className: "verdict" }, tag.error));
		return;
	}
	const title = make("p", { className: `woven ${tag.accepted ? "" : "pinned"}` }, saying(tag));
	place.replaceChildren(title, make("p", { className: "verdict" }, reasonOf(tag)), bars(tag));
}
