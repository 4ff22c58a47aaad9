// From a model's answers to tags, as tagger.py does it; and what a label hangs on, as heat.py does it.

const UNSURE = "unsure"; // the reason where the network has none of its own

/** The share of the second class in that of the first leaves doubt, so that the mirror image is asked about, too. */
export function isDoubtful(shares, secondLook) {
	if (secondLook >= 1) return false;
	const [first, second] = Float32Array.from(shares).sort().slice(-2).reverse();
	return second > secondLook * first;
}

/** A picture as a mirror shows it. */
export function mirror({ width, height, channels, data }) {
	const mirrored = new Uint8Array(data.length);
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			const from = (y * width + x) * channels;
			mirrored.set(data.subarray(from, from + channels), (y * width + width - 1 - x) * channels);
		}
	}
	return { width, height, channels, data: mirrored };
}

/** The tag of a photo from the shares of its classes and of what the model would rather refuse. */
export function tagOf(source, { probabilities, rejected }, card) {
	const kept = 1 - rejected.reduce((sum, share) => sum + share, 0);
	const ranking = card.class_names.map((label, place) => ({ label, confidence: probabilities[place] }));
	ranking.sort((one, other) => other.confidence - one.confidence);
	const [{ label, confidence }, ...alternatives] = ranking;
	const score = confidence * kept;
	const accepted = score >= card.accept;
	return { source, label, confidence, score, accepted, reason: accepted ? null : reasonOf(score, rejected, card), alternatives };
}

/** The reject that has a larger share than the best class, or that none has. */
function reasonOf(score, rejected, card) {
	const largest = Math.max(0, ...rejected);
	return largest > score ? card.rejects[rejected.indexOf(largest)] : UNSURE;
}
