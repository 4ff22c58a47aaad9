// Pictures made smaller as Pillow does it, to the bit: { width, height, channels, data } of 8-bit levels.

const BITS = 22; // of the fractions in a weight
const SUPPORT = 2; // pixels on either side that a bicubic weight reaches at full size

/** The mean of each block of `factor` × `factor` pixels; blocks at the far edges may hold fewer. */
export function reduce(picture, factor) {
	if (factor === 1) return picture;
	const { width, height, channels, data } = picture;
	const small = blank(Math.ceil(width / factor), Math.ceil(height / factor), channels);
	for (let row = 0, at = 0; row < small.height; row++) {
		const bottom = Math.min(height, (row + 1) * factor);
		for (let column = 0; column < small.width; column++) {
			const right = Math.min(width, (column + 1) * factor);
			const count = (bottom - row * factor) * (right - column * factor);
			const share = Math.floor(2 ** 24 / count);
			for (let channel = 0; channel < channels; channel++) {
				let sum = count >> 1;
				for (let y = row * factor; y < bottom; y++) {
					const line = y * width;
					for (let x = column * factor; x < right; x++) sum += data[(line + x) * channels + channel];
				}
				small.data[at++] = Math.floor((sum * share) / 2 ** 24);
			}
		}
	}
	return small;
}

/** Brings the longer side to `size` by bicubic weights; a picture that has it already is not touched. */
export function shrink(picture, size) {
	const longer = Math.max(picture.width, picture.height);
	if (longer === size) return picture;
	const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, roundEven((side * size) / longer)));
	// Each step rounds; Pillow begins with the rows where a picture is so narrow that this is cheaper.
	const isNarrow = picture.height > 2 * picture.width && picture.width + width + height + 2 < picture.height;
	return isNarrow ? resizeColumns(resizeRows(picture, height), width) : resizeRows(resizeColumns(picture, width), height);
}

/** Rounds as Python does: halves go to the even neighbour. */
export function roundEven(number) {
	const floor = Math.floor(number);
	if (number - floor !== 0.5) return Math.round(number);
	return floor % 2 ? floor + 1 : floor;
}

/** One channel of grey from three of colour, by the weights of ITU-R 601. */
export function toGrey({ width, height, channels, data }) {
	if (channels === 1) return { width, height, channels, data };
	const grey = blank(width, height, 1);
	for (let at = 0, from = 0; at < grey.data.length; at++, from += 3) {
		grey.data[at] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
	}
	return grey;
}

/** Half of the difference to a blurred copy is added: Pillow's UnsharpMask(radius=1, percent=50, threshold=0), of grey. */
export function sharpen(picture) {
	const blurred = blur(picture);
	const sharp = blank(picture.width, picture.height, 1);
	for (const [at, level] of picture.data.entries()) {
		sharp.data[at] = Math.max(0, Math.min(255, level + Math.trunc((level - blurred.data[at]) / 2)));
	}
	return sharp;
}

export function blank(width, height, channels) {
	return { width, height, channels, data: new Uint8Array(width * height * channels) };
}

/** A Gaussian of deviation 1 as Pillow nears it: three box blurs of radius 1/4, along the rows and then the columns. */
function blur({ width, height, data }) {
	const [middle, side] = [11184811, 2796202]; // of 2 ** 24
	let from = data;
	for (const [step, count] of [[1, width], [width, height]]) {
		for (let pass = 0; pass < 3; pass++) {
			const to = new Uint8Array(data.length);
			for (let at = 0; at < data.length; at++) {
				const place = step === 1 ? at % width : Math.floor(at / width);
				const before = from[place ? at - step : at];
				const after = from[place < count - 1 ? at + step : at];
				to[at] = Math.floor((from[at] * middle + (before + after) * side + 2 ** 23) / 2 ** 24);
			}
			from = to;
		}
	}
	return { width, height, channels: 1, data: from };
}

function resizeColumns({ width, height, channels, data }, target) {
	if (width === target) return { width, height, channels, data };
	const { starts, weights } = bicubic(width, target);
	const resized = blank(target, height, channels);
	for (let y = 0, at = 0; y < height; y++) {
		for (let x = 0; x < target; x++) {
			for (let channel = 0; channel < channels; channel++) {
				const from = (y * width + starts[x]) * channels + channel;
				resized.data[at++] = weigh(data, from, channels, weights[x]);
			}
		}
	}
	return resized;
}

function resizeRows({ width, height, channels, data }, target) {
	if (height === target) return { width, height, channels, data };
	const { starts, weights } = bicubic(height, target);
	const line = width * channels;
	const resized = blank(width, target, channels);
	for (let y = 0, at = 0; y < target; y++) {
		for (let x = 0; x < line; x++) resized.data[at++] = weigh(data, starts[y] * line + x, line, weights[y]);
	}
	return resized;
}

function weigh(data, from, step, weights) {
	let sum = 2 ** (BITS - 1);
	for (let index = 0, at = from; index < weights.length; index++, at += step) sum += data[at] * weights[index];
	return Math.max(0, Math.min(255, sum >> BITS));
}

/** For each of `target` pixels: which of `length` pixels is the first that counts, and the weights from there on. */
function bicubic(length, target) {
	const scale = length / target;
	const spread = Math.max(scale, 1);
	const reach = SUPPORT * spread;
	const starts = new Int32Array(target);
	const weights = [];
	for (let place = 0; place < target; place++) {
		const centre = (place + 0.5) * scale;
		const first = Math.max(0, Math.trunc(centre - reach + 0.5));
		const end = Math.min(length, Math.trunc(centre + reach + 0.5));
		const shares = Float64Array.from({ length: end - first }, (_, index) => cubic((index + first - centre + 0.5) / spread));
		const sum = shares.reduce((total, share) => total + share, 0);
		starts[place] = first;
		weights.push(Int32Array.from(shares, (share) => roundAway((share / sum) * 2 ** BITS)));
	}
	return { starts, weights };
}

const roundAway = (number) => Math.trunc(number < 0 ? number - 0.5 : number + 0.5);

function cubic(distance) {
	const x = Math.abs(distance);
	if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
	return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}
