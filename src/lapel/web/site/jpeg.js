// A JPEG made smaller as Python's decoder does it on the way.
//
// That decoder takes means of what is in the file: of the light, and of two differences of colour. Most files hold these
// at half the scale, and a browser has smeared them over their neighbours when it gives the pixels away: so they are
// drawn back together.

import { blank } from "./resize.js";

const HEAD = 1 << 20; // bytes among which the frame's header is looked for
const NOT_FRAMES = [0xc4, 0xc8, 0xcc]; // markers of tables among those of frames

/** By how much a JPEG may be reduced at first, 1 to 8, and whether its colours are at half scale; 1 of other files. */
export async function firstStep(file, { width, height }, side) {
	const head = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
	if (head[0] !== 0xff || head[1] !== 0xd8) return { factor: 1, halfColours: false };
	const most = Math.floor(Math.max(width, height) / side);
	return { factor: [8, 4, 2].find((scale) => scale <= most) ?? 1, halfColours: hasHalfColours(head) };
}

function hasHalfColours(head) {
	for (let at = 2; head[at] === 0xff; at += 2 + head[at + 2] * 256 + head[at + 3]) {
		const marker = head[at + 1];
		if (marker < 0xc0 || marker > 0xcf || NOT_FRAMES.includes(marker)) continue;
		return head[at + 9] === 3 && head[at + 11] === 0x22 && head[at + 14] === 0x11 && head[at + 17] === 0x11;
	}
	return false;
}

/** The mean of each block of rows that have one row more above and below them; four channels. */
export function reduceJpeg({ width, height, data }, factor, halfColours) {
	const rows = height - 2;
	const small = blank(Math.ceil(width / factor), Math.ceil(rows / factor), 4);
	const weights = Float64Array.from({ length: factor + 2 }, (_, place) => weight(place - 1, factor, halfColours));
	for (let row = 0, at = 0; row < small.height; row++) {
		for (let column = 0; column < small.width; column++, at += 4) {
			let [light, blue, red] = [0, 0, 0];
			for (let y = -1; y <= factor; y++) {
				// Blocks at the far edges go on with what is outermost.
				const line = Math.min(height - 1, row * factor + y + 1) * width;
				for (let x = -1; x <= factor; x++) {
					const share = weights[x + 1] * weights[y + 1];
					const from = (line + Math.max(0, Math.min(width - 1, column * factor + x))) * 4;
					const level = 0.299 * data[from] + 0.587 * data[from + 1] + 0.114 * data[from + 2];
					if (x >= 0 && x < factor && y >= 0 && y < factor) light += level;
					blue += share * (data[from + 2] - level);
					red += share * (data[from] - level);
				}
			}
			const count = factor ** 2;
			small.data.set(toRgb(light / count, (blue * 0.5) / 0.886 / count, (red * 0.5) / 0.701 / count), at);
		}
	}
	return small;
}

/** The decoder rounds light and colours before it makes levels of them, and so must this. */
function toRgb(light, blue, red) {
	const [y, cb, cr] = [Math.floor(light + 0.5), Math.floor(blue + 0.5), Math.floor(red + 0.5)];
	const levels = [y + ((91881 * cr + 32768) >> 16), y + ((-22554 * cb - 46802 * cr + 32768) >> 16), y + ((116130 * cb + 32768) >> 16)];
	return [...levels.map((level) => Math.max(0, Math.min(255, level))), 255];
}

/** Of a pixel in a block and of its neighbours on either side: undoes the weights 3/4 and 1/4 of smeared colours. */
function weight(place, factor, halfColours) {
	const isOutside = place < 0 || place === factor;
	if (!halfColours) return isOutside ? 0 : 1;
	if (isOutside) return -0.5;
	return place === 0 || place === factor - 1 ? 1.5 : 1;
}
