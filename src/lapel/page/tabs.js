// The three ways to show clothes, as tabs.

import { find } from "./dom.js";

/** Calls `onleave[name]` when the panel of that name is left. */
export function startTabs(onleave) {
	const tabs = [...document.querySelectorAll("[role=tab]")];
	const panelOf = (tab) => find(tab.getAttribute("aria-controls"));

	function choose(chosen) {
		for (const tab of tabs) {
			const panel = panelOf(tab);
			const selected = tab === chosen;
			if (!selected && !panel.hidden) onleave[panel.id]?.();
			tab.setAttribute("aria-selected", selected);
			tab.tabIndex = selected ? 0 : -1;
			panel.hidden = !selected;
		}
	}

	const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
	for (const [place, tab] of tabs.entries()) {
		tab.addEventListener("click", () => choose(tab));
		tab.addEventListener("keydown", (event) => {
			const to = { Home: 0, End: tabs.length - 1 }[event.key] ?? place + (STEPS[event.key] ?? NaN);
			if (Number.isNaN(to)) return;
			event.preventDefault();
			const next = tabs.at(to % tabs.length);
			choose(next);
			next.focus();
		});
	}
}
