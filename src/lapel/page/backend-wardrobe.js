// What `lapel serve --wardrobe` is asked beside the rest; wardrobe.js says what for.

import { ask, query } from "./backend-server.js";

const AT_ONCE = 200; // garments in one answer
const text = (response) => response.text();
const inside = { index: "wardrobe", thumbnails: true };

/** All garments, and what kinds, labels and colours there are; `onsome` is called with the garments as they come. */
export async function list(onsome) {
	for (let start = 0; ; ) {
		const answer = await ask(`wardrobe${query({ start: String(start), top: AT_ONCE })}`);
		onsome(answer.garments, answer);
		start += answer.garments.length;
		if (!answer.garments.length || start >= answer.photos) return;
	}
}

export async function add(files, signal) {
	const body = new FormData();
	for (const file of files) body.append("photo", file, file.name);
	return (await ask("wardrobe", { body, signal })).photos;
}

export const photo = (id) => ask(`wardrobe/garments/${id}/photo`, { read: (response) => response.blob() });

export const correct = async (id, values) => (await ask(`wardrobe/garments/${id}`, { body: JSON.stringify(values) })).garment;

export const remove = (id) => ask(`wardrobe/garments/${id}`, { method: "DELETE", read: text });

export const clear = () => ask("wardrobe", { method: "DELETE", read: text });

export const similar = async (id) => (await ask(`search${query({ ...inside, like: id, top: 12 })}`, { method: "POST" })).hits;

export const match = (id, kind) => ask(`match${query({ ...inside, like: id, kind, top: 4 })}`, { method: "POST" });

export const twice = async () => (await ask("wardrobe/duplicates")).groups;

export const outfits = async () => (await ask("wardrobe/outfits")).outfits;

export const keep = (garments) => ask("wardrobe/outfits", { body: JSON.stringify({ garments }) });

export const drop = (outfit) => ask(`wardrobe/outfits/${outfit}`, { method: "DELETE", read: text });

export const corrections = () => ask("wardrobe/corrections", { read: (response) => response.blob() });
