// From a file to an upright photo of few pixels, as decode.py does it; the browser itself reads the format.

import { firstStep, reduceJpeg } from "./jpeg.js";
import { blank, reduce } from "./resize.js";

const SMALLEST_SIDE = 4; // pixels; below this nothing can be seen
const STRIP = 1 << 20; // pixels that are copied at once, so that large photos need little memory

/** A photo that cannot be read: its message begins with the name of the file. */
export class Unreadable extends Error {
	constructor(name, message, hint = "") {
		super(`${name}: ${message}`);
		this.hint = hint;
	}
}

/** The photo { width, height, channels: 3, data }; its longer side keeps `side` pixels where it has them. */
export async function decode(file, { side, longest, limits }) {
	if (!file.size) throw new Unreadable(file.name, "empty; it holds no bytes at all.");
	if (file.size > limits.max_bytes) throw new Unreadable(file.name, `${file.size.toLocaleString("en")} bytes; at most ${limits.max_bytes.toLocaleString("en")} are read.`);
	const bitmap = await read(file);
	try {
		checkSize(file.name, bitmap, longest, limits);
		return onNeutralGround(reduced(bitmap, await firstStep(file, bitmap, side), side));
	} finally {
		bitmap.close();
	}
}

async function read(file) {
	try {
		return await createImageBitmap(file, { colorSpaceConversion: "none", imageOrientation: "from-image" });
	} catch {
		const hint = "JPEG, PNG and WebP are read by every browser; HEIC and TIFF by few.";
		throw new Unreadable(file.name, "not a picture that this browser can read, or damaged.", hint);
	}
}

function checkSize(name, { width, height }, longest, limits) {
	const [short, long] = [Math.min(width, height), Math.max(width, height)];
	if (width * height > limits.max_pixels) {
		throw new Unreadable(name, `${width}×${height} pixels; at most ${limits.max_pixels.toLocaleString("en")} in all are decoded.`, "Shrink the picture first.");
	}
	if (short < SMALLEST_SIDE) throw new Unreadable(name, `${width}×${height} pixels; each side must have at least ${SMALLEST_SIDE}.`);
	if (long > short * longest) {
		throw new Unreadable(name, `${width}×${height} pixels; so long and narrow a picture would be less than one pixel wide at ${longest}×${longest}.`);
	}
}

/** The pixels, four channels each, near the scale that is needed. */
function reduced(bitmap, { factor, halfColours }, side) {
	const { width, height } = bitmap;
	const second = Math.max(1, Math.floor(Math.ceil(Math.max(width, height) / factor) / side));
	const whole = factor * second;
	const rows = Math.max(1, Math.floor(STRIP / width / whole)) * whole;
	const rim = factor > 1 ? 1 : 0; // rows above and below that are looked at, too
	const small = blank(Math.ceil(width / whole), Math.ceil(height / whole), 4);
	const canvas = new OffscreenCanvas(width, Math.min(rows, height) + 2 * rim);
	const context = canvas.getContext("2d", { willReadFrequently: true });
	for (let top = 0; top < height; top += rows) {
		const count = Math.min(rows, height - top);
		context.clearRect(0, 0, canvas.width, canvas.height);
		context.drawImage(bitmap, 0, rim - top);
		if (rim && top === 0) context.drawImage(bitmap, 0, 0, width, 1, 0, 0, width, 1);
		if (rim && top + count === height) context.drawImage(bitmap, 0, height - 1, width, 1, 0, count + 1, width, 1);
		const { data } = context.getImageData(0, 0, width, count + 2 * rim);
		const strip = { width, height: count + 2 * rim, channels: 4, data: rim ? data : dimmed(data) };
		const first = rim ? reduceJpeg(strip, factor, halfColours) : strip;
		small.data.set(reduce(first, second).data, (top / whole) * small.width * 4);
	}
	return small;
}

/** Levels times alpha, in place, so that a mean counts what is seen. */
function dimmed(data) {
	for (let at = 0; at < data.length; at += 4) {
		const alpha = data[at + 3];
		for (let channel = 0; alpha < 255 && channel < 3; channel++) data[at + channel] = Math.round((data[at + channel] * alpha) / 255);
	}
	return data;
}

/** Without alpha: what is see-through lies on white or on black, whichever its opaque part stands out from. */
function onNeutralGround({ width, height, data }) {
	let [seen, light] = [0, 0];
	for (let at = 0; at < data.length; at += 4) {
		seen += data[at + 3] / 255;
		light += 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
	}
	const ground = seen && light / seen >= 128 ? 0 : 1;
	const photo = blank(width, height, 3);
	for (let at = 0, to = 0; at < data.length; at += 4, to += 3) {
		for (let channel = 0; channel < 3; channel++) photo.data[to + channel] = data[at + channel] + ground * (255 - data[at + 3]);
	}
	return photo;
}
