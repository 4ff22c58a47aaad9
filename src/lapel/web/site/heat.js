// What in a picture a label hangs on, as heat.py finds it: each part is covered, and the model asked again.

/**
 * Heat as RGBA, { width, height, channels: 4, data }, to lay over the picture. `ask` gives the share of the label in
 * each of several pictures; `ramp` and the other constants are those of heat.py.
 */
export async function heatOf(picture, ask, { places, sizes, soft, least, opaque, ramp }) {
	const { width, height, channels, data } = picture;
	const ground = groundOf(picture);
	const pixels = width * height;
	const [whole] = await ask([picture]);
	const heat = new Float64Array(pixels);
	let most = 0;
	for (const size of sizes) {
		const [rows, columns] = [bands(height, size, places, soft), bands(width, size, places, soft)];
		const patches = rows.flatMap((row) => columns.map((column) => [row, column]));
		const covered = patches.map(([row, column]) => {
			const hidden = new Uint8Array(data.length);
			for (let at = 0; at < data.length; at++) {
				const pixel = Math.floor(at / channels);
				const cover = row[Math.floor(pixel / width)] * column[pixel % width];
				hidden[at] = data[at] + (ground[at % channels] - data[at]) * cover + 0.5;
			}
			return { width, height, channels, data: hidden };
		});
		const falls = (await ask(covered)).map((share) => whole - share);
		most = Math.max(most, ...falls);
		for (let pixel = 0; pixel < pixels; pixel++) {
			let [sum, weight] = [0, 0];
			for (const [place, [row, column]] of patches.entries()) {
				const cover = row[Math.floor(pixel / width)] * column[pixel % width];
				sum += falls[place] * cover;
				weight += cover;
			}
			heat[pixel] += sum / weight / sizes.length;
		}
	}
	const hottest = Math.max(0, heat.reduce((high, value) => Math.max(high, value)));
	const scale = most >= least && hottest > 0 ? 1 / hottest : 0;
	const overlay = new Uint8Array(pixels * 4);
	for (let pixel = 0; pixel < pixels; pixel++) {
		const warmth = Math.max(0, heat[pixel]) * scale;
		overlay.set([...colourAt(warmth, ramp), warmth * 255 * opaque].map(Math.round), pixel * 4);
	}
	return { width, height, channels: 4, data: overlay };
}

function colourAt(warmth, ramp) {
	const place = warmth * (ramp.length - 1);
	const [low, high] = [ramp[Math.floor(place)], ramp[Math.ceil(place)]];
	return low.map((level, channel) => level + (high[channel] - level) * (place % 1));
}

/** The median of the border, whose corners count twice. */
function groundOf({ width, height, channels, data }) {
	return Array.from({ length: channels }, (_, channel) => {
		const level = (x, y) => data[(y * width + x) * channels + channel];
		const rows = Array.from({ length: width }, (_, x) => [level(x, 0), level(x, height - 1)]);
		const columns = Array.from({ length: height }, (_, y) => [level(0, y), level(width - 1, y)]);
		const levels = Uint8Array.from([...rows, ...columns].flat()).sort();
		return levels[levels.length >> 1];
	});
}

/** How far each patch covers each pixel along one side; the first begins at one end, the last ends at the other. */
function bands(length, size, places, soft) {
	return Array.from({ length: places }, (_, place) => {
		const middle = size / 2 + ((1 - size) * place) / (places - 1);
		return Array.from({ length }, (_, pixel) => {
			const away = Math.abs((pixel + 0.5) / length - middle) / (size / 2);
			return Math.min(1, Math.max(0, (1 + soft - away) / (2 * soft)));
		});
	});
}
