// A picture as the URL of a PNG.

/** The data URL of { width, height, channels, data } with one channel of grey, three of colour, or alpha as the fourth. */
export async function toDataUrl({ width, height, channels, data }) {
	const image = new ImageData(width, height);
	for (let at = 0, from = 0; at < image.data.length; at += 4, from += channels) {
		const [red, green = red, blue = red, alpha = 255] = data.subarray(from, from + channels);
		image.data.set([red, green, blue, alpha], at);
	}
	const canvas = new OffscreenCanvas(width, height);
	canvas.getContext("2d").putImageData(image, 0, 0);
	const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
	return `data:image/png;base64,${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
}
