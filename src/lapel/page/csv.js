// The labels as a table that any spreadsheet opens.

import { coloursOf } from "./answer.js";

const COLUMNS = ["source", "label", "confidence", "score", "accepted", "reason", "error", "colours"];

/** The table of all photos that have an answer, with lines as RFC 4180 has them. */
export function toCsv(photos) {
	const rows = photos.filter(({ tag, failure }) => tag || failure).map(row);
	return [COLUMNS, ...rows].map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

function row({ name, tag, failure }) {
	if (!tag) return [name, "", "", "", "", "", failure.error, ""];
	const { label, confidence, score, accepted, reason } = tag;
	const shares = [confidence, score].map((share) => share.toFixed(4));
	const dyes = coloursOf(tag).map((colour) => `${colour.name} ${colour.share.toFixed(3)} ${colour.hex}`).join("; ");
	return [name, label, ...shares, String(accepted), reason ?? "", "", dyes];
}

function cell(text) {
	// A spreadsheet would run a name like "=HYPERLINK(…)" as a formula.
	const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
	return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
