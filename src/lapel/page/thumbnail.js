// Small pictures of large photos, made one after the other so that hundreds need little memory.

const SIDE = 480; // pixels

let last = Promise.resolve();

/** The URL of a small picture, to be revoked at last; null where it cannot be read or is no longer wanted. */
export function thumbnail(file, isWanted) {
	last = last.then(() => (isWanted() ? shrunk(file) : null)).catch(() => null);
	return last;
}

async function shrunk(file) {
	const image = await createImageBitmap(file);
	const scale = Math.min(1, SIDE / Math.min(image.width, image.height));
	const canvas = new OffscreenCanvas(Math.ceil(image.width * scale), Math.ceil(image.height * scale));
	canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
	image.close();
	return URL.createObjectURL(await canvas.convertToBlob({ type: "image/webp", quality: 0.85 }));
}
