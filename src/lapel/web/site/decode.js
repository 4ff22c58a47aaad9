// From a file to an upright photo of few pixels, as decode.py does it; the browser itself reads the format.

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
		return onNeutralGround(reduced(bitmap, await isJpeg(file), side));
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

async function isJpeg(file) {
	const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
	return first === 0xff && second === 0xd8;
}

/** The pixels, four channels each, near the scale that is needed. */
function reduced(bitmap, jpeg, side) {
	const { width, height } = bitmap;
	const longer = Math.max(width, height);
	// Python lets the decoder of a JPEG take the first step, by 2, 4 or 8, and rounds after each.
	const first = jpeg ? [8, 4, 2].find((scale) => Math.floor(longer / side) >= scale) ?? 1 : 1;
	const second = Math.max(1, Math.floor(Math.ceil(longer / first) / side));
	const steps = [first, second].filter((factor) => factor > 1);
	const whole = first * second;
	const rows = Math.max(1, Math.floor(STRIP / width / whole)) * whole;
	const small = blank(Math.ceil(width / whole), Math.ceil(height / whole), 4);
	const canvas = new OffscreenCanvas(width, Math.min(rows, height));
	const context = canvas.getContext("2d", { willReadFrequently: true });
	for (let top = 0; top < height; top += rows) {
		const count = Math.min(rows, height - top);
		context.clearRect(0, 0, width, count);
		context.drawImage(bitmap, 0, -top);
		const { data } = context.getImageData(0, 0, width, count);
		const strip = steps.reduce(reduce, { width, height: count, channels: 4, data });
		small.data.set(strip.data, (top / whole) * small.width * 4);
	}
	return small;
}

/** Without alpha: what is see-through lies on white or on black, whichever its opaque part stands out from. */
function onNeutralGround({ width, height, data }) {
	let [seen, light] = [0, 0];
	for (let at = 0; at < data.length; at += 4) {
		seen += data[at + 3];
		light += data[at + 3] * ((data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16);
	}
	const ground = seen && light / seen >= 128 ? 0 : 255;
	const photo = blank(width, height, 3);
	for (let at = 0, to = 0; at < data.length; at += 4, to += 3) {
		const alpha = data[at + 3];
		for (let channel = 0; channel < 3; channel++) {
			photo.data[to + channel] = Math.round((data[at + channel] * alpha + ground * (255 - alpha)) / 255);
		}
	}
	return photo;
}
