// Small pictures of large photos, made one after the other so that hundreds need little memory.

const SIDE = 480; // pixels

let last = Promise.resolve();

/** The URL of a small picture, to be revoked at last; null where it cannot be read or is no longer wanted. */
export function thumbnail(file, isWanted) {
	const small = async () => (isWanted() ? URL.createObjectURL(await shrunk(file, SIDE, Math.min, "image/webp")) : null);
	last = last.then(small).catch(() => null);
	return last;
}

/** The photo with so many pixels on the side that `choose` (Math.min or Math.max) names; it is never made larger. */
export async function shrunk(file, pixels, choose, type) {
	const image = await createImageBitmap(file);
	const scale = Math.min(1, pixels / choose(image.width, image.height));
	const canvas = new OffscreenCanvas(Math.ceil(image.width * scale), Math.ceil(image.height * scale));
	canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
	image.close();
	return canvas.convertToBlob({ type, quality: 0.85 });
}

/** The photo as a file with at most so many pixels on its longer side. What the browser cannot read stays as it is. */
export async function small(file, pixels) {
	try {
		const data = await shrunk(file, pixels, Math.max, "image/webp");
		return data.size < file.size ? new File([data], file.name, { type: data.type }) : file;
	} catch {
		return file;
	}
}
