// What a model sees of an upright photo: the steps of picture.py, which a test holds to it.

import { blank, sharpen, shrink, toGrey } from "./resize.js";

const WORKING_SCALE = 4; // what is trimmed to a quarter of the photo still has a pixel for each of the model's
const DARK = 12; // the tolerance by which the Fashion-MNIST paper takes two colours for the same
const GARMENT_SHARE = 0.02; // of a row or column; less is dust
const MOST_GAIN = 2; // how far faint differences from the ground are stretched

/** To how many pixels on its longer side a photo may be reduced before it is prepared. */
export const workingSide = ({ size, preparation }) => size * (preparation === "garment" ? WORKING_SCALE : 1);

/** The picture { width, height, channels, data } of a photo of the same form; null where there is nothing to be seen. */
export function preparePicture(photo, spec) {
	if (spec.preparation === "plain") return plain(photo, spec);
	if (spread(photo) <= DARK) return null;
	return isGarment(photo, spec) ? plain(photo, spec) : garment(photo, spec);
}

/** The places of the outermost pixels. */
function outermost(width, height) {
	const places = [];
	for (let y = 0; y < height; y++) {
		const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
		for (let x = 0; x < width; x += step) places.push(y * width + x);
	}
	return places;
}

const border = ({ width, height, channels, data }, channel) => outermost(width, height).map((at) => data[at * channels + channel]);

/** The level below which that share of the levels lies. */
function quantile(levels, share) {
	return Float64Array.from(levels).sort()[Math.trunc(share * (levels.length - 1))];
}

/** The colour of the ground: the median of the outermost pixels, in each channel. */
export const medians = (picture) => Array.from({ length: picture.channels }, (_, channel) => quantile(border(picture, channel), 0.5));

function plain(photo, spec) {
	const small = shrink(spec.channels === 1 ? toGrey(photo) : photo, spec.size);
	return centre(small, spec, medians(small));
}

function centre({ width, height, channels, data }, { size }, ground) {
	const picture = blank(size, size, channels);
	for (let at = 0; at < picture.data.length; at++) picture.data[at] = ground[at % channels];
	const top = (size - height) >> 1;
	const left = (size - width) >> 1;
	for (let y = 0; y < height; y++) {
		const line = data.subarray(y * width * channels, (y + 1) * width * channels);
		picture.data.set(line, ((top + y) * size + left) * channels);
	}
	return picture;
}

/** By how much its pixels differ at most, in the channel where they differ most. */
function spread({ channels, data }) {
	let most = 0;
	for (let channel = 0; channel < channels; channel++) {
		let [low, high] = [255, 0];
		for (let at = channel; at < data.length; at += channels) {
			low = Math.min(low, data[at]);
			high = Math.max(high, data[at]);
		}
		most = Math.max(most, high - low);
	}
	return most;
}

/** Whether this is a picture as the garment preparation makes them: grey, of the size, on black. */
function isGarment({ width, height, channels, data }, { size }) {
	if (width !== size || height !== size) return false;
	if (data.some((level, at) => level !== data[at - (at % channels)])) return false;
	const corners = [0, size - 1, size * (size - 1), size * size - 1];
	return corners.filter((at) => data[at * channels] > DARK).length <= 2;
}

function garment(photo, spec) {
	const box = boxOf(photo);
	if (!box) return plain(photo, spec);
	const grey = toGrey(photo);
	const level = quantile(border(grey, 0), 0.5);
	const { top, left, width, height, different } = box;
	const inside = blank(width, height, 1);
	const marked = [];
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			const at = (top + y) * photo.width + left + x;
			inside.data[y * width + x] = grey.data[at];
			if (different[at]) marked.push(grey.data[at]);
		}
	}
	if (!marked.length) return plain(photo, spec); // the rows and the columns owe their marks to different scratches
	const negate = quantile(marked, 0.5) < level;
	const room = negate ? level : 255 - level;
	const gain = Math.min(MOST_GAIN, 255 / Math.max(room, 1));
	for (const [at, grey] of inside.data.entries()) {
		inside.data[at] = Math.max(0, Math.min(255, (negate ? level - grey : grey - level) * gain));
	}
	return centre(sharpen(shrink(inside, spec.size)), spec, [0]);
}

/** Where the garment is, and which pixels differ from the ground; null where there is none. */
function boxOf(photo) {
	const { width, height, channels, data } = photo;
	const ground = medians(photo);
	const distance = (at) => Math.max(...ground.map((level, channel) => Math.abs(data[at * channels + channel] - level)));
	const tolerance = Math.max(DARK, quantile(outermost(width, height).map(distance), 0.9));
	const different = new Uint8Array(width * height);
	const rows = new Int32Array(height);
	const columns = new Int32Array(width);
	for (let at = 0; at < different.length; at++) {
		if (distance(at) <= tolerance) continue;
		different[at] = 1;
		rows[Math.floor(at / width)]++;
		columns[at % width]++;
	}
	const isMuch = (count, length) => count / length > GARMENT_SHARE;
	const [top, bottom] = ends(rows, (count) => isMuch(count, width));
	const [left, right] = ends(columns, (count) => isMuch(count, height));
	if (top < 0 || left < 0) return null;
	return { top, left, width: right - left + 1, height: bottom - top + 1, different };
}

const ends = (counts, isMuch) => [counts.findIndex(isMuch), counts.findLastIndex(isMuch)];
