// The ways to show clothes, as tabs.

import { find } from "./dom.js";

const tabs = () => [...document.querySelectorAll("[role=tab]")].filter(({ hidden }) => !hidden);
const panelOf = (tab) => find(tab.getAttribute("aria-controls"));
let leave;

/** Calls `onleave[name]` when the panel of that name is left. */
export function startTabs(onleave) {
	leave = onleave;
	const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
	for (const tab of document.querySelectorAll("[role=tab]")) {
		tab.addEventListener("click", () => choose(tab));
		tab.addEventListener("keydown", (event) => {
			const shown = tabs();
			const to = { Home: 0, End: shown.length - 1 }[event.key] ?? shown.indexOf(tab) + (STEPS[event.key] ?? NaN);
			if (Number.isNaN(to)) return;
			event.preventDefault();
			const next = shown.at(to % shown.length);
			choose(next);
			next.focus();
		});
	}
}

/** Shows the panel of a tab. */
export function choose(chosen) {
	for (const tab of tabs()) {
		const panel = panelOf(tab);
		const selected = tab === chosen;
		if (!selected && !panel.hidden) leave[panel.id]?.();
		tab.setAttribute("aria-selected", selected);
		tab.tabIndex = selected ? 0 : -1;
		panel.hidden = !selected;
	}
}
