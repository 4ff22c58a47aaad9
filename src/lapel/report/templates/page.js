// What the page can do without, too: links open what they point into, and a cell shows its pictures in place.
const all = (wanted, root = document) => [...root.querySelectorAll(wanted)];
const details = all('details');
const open = (element) => {
  for (let one = element?.closest('details'); one; one = one.parentElement.closest('details')) one.open = true;
};

const button = document.querySelector('.open-all');
if (button) {
  const say = () => {
    button.textContent = details.every((one) => one.open) ? 'Fold everything' : 'Unfold everything';
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    const wanted = !details.every((one) => one.open);
    details.forEach((one) => (one.open = wanted));
    say();
  });
  details.forEach((one) => one.addEventListener('toggle', say));
  say();
}

const panel = document.querySelector('.cells');
const choose = (link) => {
  const chosen = document.getElementById(link.hash.slice(1));
  if (!chosen) return;
  open(chosen);
  panel.classList.add('scripted');
  all('.cell.chosen', panel).forEach((one) => one.classList.remove('chosen'));
  chosen.classList.add('chosen');
  all('[aria-current]').forEach((one) => one.removeAttribute('aria-current'));
  all(`a[href="${link.hash}"]`).forEach((one) => one.setAttribute('aria-current', 'true'));
  panel.scrollIntoView({ block: 'nearest' });
};
if (panel) {
  panel.setAttribute('aria-live', 'polite');
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#cell-"]');
    if (!link) return;
    event.preventDefault();
    choose(link);
  });
}

const follow = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  open(target);
  target.scrollIntoView();
};
addEventListener('hashchange', follow);
follow();

let folded = [];
addEventListener('beforeprint', () => {
  folded = details.filter((one) => !one.open);
  folded.forEach((one) => (one.open = true));
});
addEventListener('afterprint', () => folded.forEach((one) => (one.open = false)));
