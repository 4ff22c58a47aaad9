// Garments as small pictures in a row, and several of them as an outfit.

import { coloursOf } from "./answer.js";
import { make } from "./dom.js";

/** What a garment is called in a word or three: its first colour and its kind. */
export function nameOf(garment) {
	const [first] = coloursOf(garment);
	return `${first ? `${first.name} ` : ""}${garment.kind}${garment.sure === false ? "?" : ""}`;
}

/** An item with a garment's picture and a line about it; `open` is called with its id. */
export function pieceOf(garment, picture, text, open) {
	const button = make("button", { className: "piece" }, make("img", { src: picture ?? "", alt: "" }), make("span", {}, nameOf(garment)));
	button.addEventListener("click", () => open(garment.id));
	return make("li", {}, button, ...(text ? [make("p", { className: "help" }, text)] : []));
}

/** An outfit with its reasons; `picture` finds what is shown of a garment, `act` is a button below. */
export function outfitOf({ garments, reasons }, pictures, open, act) {
	const pieces = Object.values(garments).map((one) => pieceOf(one, pictures[one.id], "", open));
	const why = make("ul", { className: "reasons" }, ...reasons.map((reason) => make("li", {}, reason)));
	return make("div", { className: "outfit" }, make("ul", { className: "pieces" }, ...pieces), why, make("p", {}, act));
}
