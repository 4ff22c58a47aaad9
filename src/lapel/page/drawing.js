// A picture of 28×28 grey dots, drawn with a soft pen; it knows nothing of the page.

export const SIDE = 28; // dots
const HISTORY = 50; // strokes that can be undone

export class Drawing {
	#dots = new Uint8Array(SIDE * SIDE);
	#past = [];

	get isEmpty() {
		return this.#dots.every((dot) => dot === 0);
	}

	/** Remembers the drawing as it is, to come back to. */
	remember() {
		this.#past.push(this.#dots.slice());
		if (this.#past.length > HISTORY) this.#past.shift();
	}

	undo() {
		this.#dots = this.#past.pop() ?? this.#dots;
	}

	clear() {
		this.remember();
		this.#dots.fill(0);
	}

	/** Draws a line between two points of [x, y] dots, or takes away what is there. */
	line(from, to, width, erase) {
		const radius = width / 2;
		for (let y = 0; y < SIDE; y++) {
			for (let x = 0; x < SIDE; x++) {
				// A dot is covered as far as its centre lies within the line's edge: this keeps edges smooth.
				const cover = Math.min(1, Math.max(0, radius + 0.5 - distance([x + 0.5, y + 0.5], from, to)));
				const at = y * SIDE + x;
				const dot = this.#dots[at];
				this.#dots[at] = erase ? dot * (1 - cover) : Math.max(dot, 255 * cover);
			}
		}
	}

	/** Fills the dark area around a dot, up to where something is drawn. */
	fill([x, y]) {
		const next = [[Math.floor(x), Math.floor(y)]];
		while (next.length) {
			const [column, row] = next.pop();
			const at = row * SIDE + column;
			if (column < 0 || row < 0 || column >= SIDE || row >= SIDE || this.#dots[at] === 255) continue;
			const edge = this.#dots[at] > 127;
			this.#dots[at] = 255; // an edge, too: else its smooth side would stay as a seam
			if (edge) continue;
			next.push([column + 1, row], [column - 1, row], [column, row + 1], [column, row - 1]);
		}
	}

	/** Paints it, white on black. */
	paint(context) {
		const image = context.createImageData(SIDE, SIDE);
		this.#dots.forEach((dot, at) => image.data.set([dot, dot, dot, 255], at * 4));
		context.putImageData(image, 0, 0);
	}
}

/** How far a point is from the line between two others. */
function distance([x, y], [x1, y1], [x2, y2]) {
	const [dx, dy] = [x2 - x1, y2 - y1];
	const along = ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1);
	const nearest = Math.min(1, Math.max(0, along));
	return Math.hypot(x - x1 - nearest * dx, y - y1 - nearest * dy);
}
