// The colours of the garment in a picture, as colour.py finds them; its names and constants come with `rules`.

let tables;

/** One to three colours { name, share, hex }, the largest first; none of a grey picture. */
export function findColours({ width, height, channels, data }, rules) {
	if (channels !== 3) return [];
	tables ??= makeTables(rules);
	const { pixels, rows, columns } = lit(thin({ width, height, data }, rules.side), rules);
	const { middle, rim } = weightsOf(rows, columns, rules);
	const codes = pixels.map((pixel) => codeOf(pixel, rules.levels));
	const cells = codes.map((code) => tables.cell[code]);
	const [inside, outside] = [middle, rim].map((weights) => spread(sumBy(cells, weights, tables.near.length), tables.near));
	const garment = inside.map((share, cell) => (share / (share + outside[cell] + 1e-9)) ** rules.clear);
	const weights = middle.map((weight, at) => weight * garment[cells[at]]);
	const names = codes.map((code) => tables.name[code]);
	const shares = sumBy(names, weights, rules.names.length);
	const means = [0, 1, 2].map((channel) => {
		const sums = sumBy(names, weights.map((weight, at) => weight * pixels[at][channel]), rules.names.length);
		return sums.map((sum, name) => sum / Math.max(shares[name], 1e-12));
	});
	const all = total(shares);
	return largest(shares.map((share) => share / all), transposed(means), rules);
}

/** The colours that matter, light and shade as one, of the share and the mean levels of each name. */
function largest(shares, means, { names, shade, same, speck, most, least }) {
	const labs = means.map((levels) => oklab(levels.map((level) => level / 255))).map(([light, a, b]) => [light * shade[0], a, b]);
	const alike = labs.map((one) => labs.map((other) => Math.exp(-apart(one, other) / (2 * shade[1] ** 2))));
	let left = shares.map((share) => (share > speck ? share : 0));
	const found = [];
	for (let turn = 0; turn < most; turn++) {
		const support = left.map((share, place) => share * total(left.map((other, at) => other * alike[place][at])));
		const best = support.indexOf(Math.max(...support));
		const joined = left.map((share, place) => alike[best][place] > same && share > 0);
		const share = total(left.filter((_, place) => joined[place]));
		if (share >= least || !found.length) found.push([share, best]);
		left = left.map((one, place) => (joined[place] ? 0 : one));
	}
	found.sort(([one, place], [other, elsewhere]) => other - one || elsewhere - place);
	return found.map(([share, place]) => ({ name: names[place][0], share: Number(share.toFixed(3)), hex: hexOf(means[place]) }));
}

const hexOf = (levels) => `#${levels.map((level) => Math.round(level).toString(16).padStart(2, "0")).join("")}`;
const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
const transposed = (columns) => columns[0].map((_, at) => columns.map((column) => column[at]));
const apart = (one, other) => total(one.map((number, at) => (number - other[at]) ** 2));
const spread = (counts, near) => counts.map((_, to) => total(counts.map((count, from) => count * near[from][to])));
const codeOf = (pixel, levels) => pixel.reduce((code, level) => code * levels + Math.trunc((level * levels) / 256), 0);

function sumBy(places, weights, count) {
	const sums = new Array(count).fill(0);
	for (const [at, place] of places.entries()) sums[place] += weights[at];
	return sums;
}

/** Every so-manieth pixel, so that about `side` are left of a side. */
function thin({ width, height, data }, side) {
	const step = Math.max(1, Math.floor(Math.min(width, height) / side));
	const places = (length) => Array.from({ length: Math.ceil((length - (step >> 1)) / step) }, (_, at) => (step >> 1) + at * step);
	const [rows, columns] = [places(height), places(width)];
	const pixels = rows.flatMap((y) => columns.map((x) => [0, 1, 2].map((channel) => data[(y * width + x) * 3 + channel])));
	return { pixels, rows: rows.length, columns: columns.length };
}

/** What was taken in too little light, lit: else white would be grey. */
function lit({ pixels, rows, columns }, { light: [share, level, most] }) {
	const brightest = pixels.map((pixel) => Math.max(...pixel)).sort((one, other) => one - other);
	const bright = brightest[Math.trunc(share * brightest.length)];
	const gain = Math.fround(Math.min(most, Math.max(1, level / Math.max(bright, 1))));
	return { pixels: pixels.map((pixel) => pixel.map((one) => Math.min(255, Math.fround(one * gain)))), rows, columns };
}

/** How much each pixel speaks for the garment, and for the ground; each adds up to 1. */
function weightsOf(rows, columns, { middle: fall, rim: width }) {
	const [middle, rim] = [[], []];
	for (let y = 0; y < rows; y++) {
		for (let x = 0; x < columns; x++) {
			const away = ((y + 0.5) / rows - 0.5) ** 2 + ((x + 0.5) / columns - 0.5) ** 2;
			middle.push(Math.exp(-away / (2 * fall ** 2)));
			rim.push(y >= width && y < rows - width && x >= width && x < columns - width ? 0 : 1);
		}
	}
	const [all, edge] = [total(middle), total(rim)];
	return { middle: middle.map((weight) => weight / all), rim: rim.map((weight) => weight / edge) };
}

/** For each colour of few levels: its cell, and the place of its name; `near` says which cells look alike. */
function makeTables({ names, levels, cells, near, hue }) {
	const labs = Array.from({ length: levels ** 3 }, (_, code) =>
		oklab([Math.floor(code / levels ** 2), Math.floor(code / levels) % levels, code % levels].map((level) => (level + 0.5) / levels)),
	);
	const low = labs.reduce((least, lab) => lab.map((one, axis) => Math.min(one, least[axis])));
	const high = labs.reduce((most, lab) => lab.map((one, axis) => Math.max(one, most[axis]))).map((one) => one + 1e-6);
	const raw = labs.map((lab) =>
		lab.reduce((place, one, axis) => place * cells[axis] + Math.trunc(((one - low[axis]) / (high[axis] - low[axis])) * cells[axis]), 0),
	);
	const order = new Map([...new Set(raw)].sort((one, other) => one - other).map((place, at) => [place, at]));
	const cell = raw.map((place) => order.get(place));
	const sizes = sumBy(cell, new Array(cell.length).fill(1), order.size);
	const centres = transposed(
		[0, 1, 2].map((axis) => sumBy(cell, labs.map((lab) => lab[axis]), order.size).map((sum, at) => sum / sizes[at])),
	);
	const alike = centres.map((one) => centres.map((other) => Math.exp(-apart(one, other) / (2 * near ** 2))));
	return { cell, near: alike, name: nearestNames(labs, names, hue) };
}

function nearestNames(labs, names, hue) {
	const stretched = ([light, a, b]) => [light, a * hue, b * hue];
	const shades = names.flatMap(([, hexes], place) => hexes.map((hex) => ({ place, lab: stretched(oklab(levelsOf(hex))) })));
	return labs.map((lab) => {
		const [light, a, b] = stretched(lab);
		let [best, least] = [0, Infinity];
		for (const { place, lab: shade } of shades) {
			const distance = (light - shade[0]) ** 2 + (a - shade[1]) ** 2 + (b - shade[2]) ** 2;
			if (distance < least) [best, least] = [place, distance];
		}
		return best;
	});
}

const levelsOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);

/** sRGB (0 to 1) as OKLab, in which distances are as people see them (Björn Ottosson). */
function oklab(levels) {
	const [red, green, blue] = levels.map((level) => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4));
	const long = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
	const middle = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
	const short = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
	return [
		0.2104542553 * long + 0.793617785 * middle - 0.0040720468 * short,
		1.9779984951 * long - 2.428592205 * middle + 0.4505937099 * short,
		0.0259040371 * long + 0.7827717662 * middle - 0.808675766 * short,
	];
}
