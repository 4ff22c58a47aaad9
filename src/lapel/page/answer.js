// How a tag is told: in the words of wording.py, and as measuring tapes. Its number is the score.

import { make } from "./dom.js";

export const UNKNOWN = "I don’t know";

/** What a tag says in a word or three. */
export const saying = (tag) => (tag.accepted ? tag.label : UNKNOWN);

/** Why a tag is not accepted and what comes closest; nothing where it is accepted. */
export function reasonOf({ accepted, label, reason, score }) {
	return accepted ? "" : `${reason} (closest: ${label} ${percent(score)})`;
}

/** A share as people read it; a little doubt never becomes certainty. */
export function percent(share) {
	if (share >= 0.9995 && share < 1) return ">99.9%";
	if (share > 0 && share < 0.0005) return "<0.1%";
	return `${(100 * share).toFixed(1)}%`;
}

/** Rolls a measuring tape out as far as the share. */
export function measure(tape, share) {
	tape.style.setProperty("--share", `${(share * 100).toFixed(1)}%`);
	return tape;
}

/** The labels of a tag with their scores: what is left of the confidence beside all that the model would rather refuse. */
export function bars(tag) {
	const kept = tag.confidence ? tag.score / tag.confidence : 0;
	const rows = [tag, ...tag.alternatives].map(({ label, confidence }) => {
		const tape = measure(make("span", { className: "tape", ariaHidden: "true" }), confidence * kept);
		return make("li", {}, make("span", {}, label), " ", make("span", { className: "share" }, percent(confidence * kept)), tape);
	});
	return make("ol", { className: "bars" }, ...rows);
}

/** The colours of a tag; a backend may know none. */
export const coloursOf = (tag) => tag?.colours ?? [];

/** The same, each with a dot of it and its share. */
export function dyes(tag) {
	return coloursOf(tag).map(({ name, share, hex }) => {
		const dot = make("i", { className: "dye", ariaHidden: "true" });
		dot.style.background = hex;
		return make("li", {}, dot, " ", `${name} ${Math.round(100 * share)}%`);
	});
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
