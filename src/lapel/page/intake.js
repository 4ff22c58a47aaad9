// The ways photos come in: dropped, pasted, chosen, or taken with a phone.

import { announce, find } from "./dom.js";

let pasted = 0;

/** Calls `take` with a list of files whenever some come in, and with where on the page that was. */
export function startIntake(take) {
	for (const [button, input] of [["choose", "files"], ["take", "shot"]]) {
		find(button).addEventListener("click", () => find(input).click());
		find(input).addEventListener("change", ({ target }) => {
			take([...target.files], target);
			target.value = ""; // so that the same file can be chosen again
		});
	}
	document.addEventListener("paste", ({ clipboardData, target }) => {
		const files = [...clipboardData.files];
		if (files.length) take(files.map(named), target);
	});
	startDrop(take);
}

// What is copied from another program is always called image.png.
function named(file) {
	if (file.name !== "image.png") return file;
	return new File([file], `pasted ${++pasted}.png`, { type: file.type });
}

function startDrop(take) {
	const curtain = find("drop");
	document.addEventListener("dragover", (event) => {
		if (!event.dataTransfer.types.includes("Files")) return;
		event.preventDefault();
		curtain.hidden = false;
	});
	document.addEventListener("dragleave", (event) => {
		if (!event.relatedTarget) curtain.hidden = true;
	});
	document.addEventListener("drop", async (event) => {
		curtain.hidden = true;
		if (!event.dataTransfer.types.includes("Files")) return;
		event.preventDefault();
		// Entries have to be taken before anything is awaited; then the browser forgets them.
		const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
		const loose = [...event.dataTransfer.files];
		const files = entries.length ? (await Promise.all(entries.map(within))).flat() : loose;
		if (files.length) take(files, event.target);
		else announce("There were no files in it.");
	});
}

/** The files of a dropped file or folder, each with its path as its name. */
async function within(entry) {
	if (entry.name.startsWith(".")) return [];
	if (entry.isFile) {
		const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
		return [new File([file], entry.fullPath.slice(1), { type: file.type })];
	}
	const reader = entry.createReader();
	const found = [];
	for (let batch; (batch = await new Promise((...both) => reader.readEntries(...both))).length; ) found.push(...batch);
	return (await Promise.all(found.map(within))).flat();
}
