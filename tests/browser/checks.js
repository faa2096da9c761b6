// What every page must be, judged in the browser: each check gives a list of sentences, empty when all is well.

// Names, landmarks, headings, ids: what a screen reader goes by.
function structure() {
  const faults = [];
  const all = selector => [...document.querySelectorAll(selector)];
  const seen = element => element.checkVisibility({visibilityProperty: true, opacityProperty: false});
  const text = element => element.outerHTML.replace(/\s+/g, " ").slice(0, 140);
  const count = (selector, wanted, words) => {
    const found = all(selector).filter(seen).length;
    if (found !== wanted) faults.push(`${found} ${words} instead of ${wanted}`);
  };
  if (!document.documentElement.lang) faults.push("the page does not say its language");
  if (!document.title) faults.push("the page has no title");
  count("h1", 1, "h1");
  count("main, [role=main]", 1, "main");
  const ids = all("[id]").map(element => element.id);
  for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) faults.push(`id ${id} twice`);
  for (const name of ["for", "aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const element of all(`[${name}]`).filter(seen)) {
      for (const id of element.getAttribute(name).split(/\s+/)) {
        if (id && !document.getElementById(id)) faults.push(`${name} names ${id}, which is not there: ${text(element)}`);
      }
    }
  }
  for (const element of all("input:not([type=hidden], [type=submit]), select, textarea").filter(seen)) {
    const names = element.labels?.length || element.ariaLabel || element.getAttribute("aria-labelledby") || element.title;
    if (!names) faults.push(`no label: ${text(element)}`);
  }
  for (const element of all("button, a[href], summary, [role=button]").filter(seen)) {
    const words = element.innerText.trim() || element.textContent.trim() || element.ariaLabel || element.title;
    const picture = element.querySelector("img[alt]:not([alt='']), svg title, [title]");
    if (!words && !picture && element.ariaHidden !== "true") faults.push(`no words: ${text(element)}`);
  }
  for (const image of all("img:not([alt])")) faults.push(`no alt: ${text(image)}`);
  for (const svg of all("svg").filter(seen)) {
    if (svg.ariaHidden !== "true" && svg.getAttribute("role") !== "img" && !svg.closest("[aria-hidden=true]")) {
      faults.push(`neither hidden nor an image: ${text(svg)}`);
    }
  }
  const navigations = all("nav, [role=navigation]").filter(seen);
  if (navigations.length > 1) {
    for (const nav of navigations) {
      if (!nav.ariaLabel && !nav.getAttribute("aria-labelledby")) faults.push(`a nav of several without a name: ${text(nav)}`);
    }
  }
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6").filter(seen)) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1 && level) faults.push(`h${own} follows h${level}: ${heading.innerText.slice(0, 60)}`);
    level = own;
  }
  for (const table of all("table").filter(seen)) {
    if (!table.querySelector("th")) faults.push(`a table without a heading: ${text(table)}`);
  }
  return faults;
}

// Nothing hangs out of the screen, or over what stands beside it.
function layout() {
  const faults = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) faults.push(`${page.scrollWidth - page.clientWidth} px wider than the screen`);
  const scrolls = element => {
    for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {
      if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(each).overflowX)) return true;
    }
  };
  for (const element of document.querySelectorAll("main :is(p, h1, h2, h3, dd, dt, li, td, th, label, summary, button, a, time, .badge)")) {
    const box = element.getBoundingClientRect();
    if (element.checkVisibility() && box.width && box.right > page.clientWidth + 1 && !scrolls(element)) {
      faults.push(`out of the screen: ${element.outerHTML.slice(0, 120)}`);
    }
  }
  for (const term of document.querySelectorAll("main dl.facts.wide > div")) {
    for (const part of term.querySelectorAll("dt, dd, dd *")) {
      if (part.getBoundingClientRect().right > term.getBoundingClientRect().right + 1) {
        faults.push(`over its neighbour: ${part.outerHTML.slice(0, 120)}`);
      }
    }
  }
  return faults;
}

// Text against what is behind it, from the styles as they are computed: 4.5, of large text and of borders 3.
function contrast() {
  for (const animation of document.getAnimations()) animation.finish();
  const faults = new Set();
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const rgba = colour => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const backs = new Map();
  const behind = element => {
    if (!element) return rgba("Canvas");
    if (!backs.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      backs.set(element, own[3] === 1 ? own : over(own, behind(element.parentElement)));
    }
    return backs.get(element);
  };
  const complain = (what, found, least, element) => {
    if (found < least - 0.005) faults.add(`${what} ${found.toFixed(2)} < ${least}: ${element.outerHTML.replace(/\s+/g, " ").slice(0, 110)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const done = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || done.has(element)) continue;
    done.add(element);
    if (!element.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    if (element.closest("script, style, option, noscript, title, desc, .unseen, :disabled")) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const colour = rgba(element instanceof SVGElement ? style.fill : style.color);
    const back = behind(element.closest("svg")?.parentElement ?? element);
    complain("text", ratio(over(colour, back), back), large ? 3 : 4.5, element);
  }
  for (const element of document.querySelectorAll("input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), textarea, select")) {
    if (!element.checkVisibility() || element.disabled) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    if (!["submit", "button"].includes(element.type)) complain("border", ratio(over(rgba(style.borderTopColor), behind(element.parentElement)), behind(element.parentElement)), 3, element);
    complain("value", ratio(over(rgba(style.color), back), back), 4.5, element);
    if (element.placeholder) {
      const hint = getComputedStyle(element, "::placeholder");
      const [r, g, b, a] = rgba(hint.color);
      complain("placeholder", ratio(over([r, g, b, a * Number(hint.opacity)], back), back), 4.5, element);
    }
  }
  return [...faults];
}

// One of each kind of thing that the keyboard reaches shows that it is there.
function focus() {
  const faults = [];
  const rim = element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== "none";
  };
  const kinds = new Set();
  for (const element of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")) {
    const kind = [element.tagName, element.type, element.className, element.parentElement.className].join(" ");
    if (kinds.has(kind) || element.disabled || element.tabIndex < 0 || !element.checkVisibility()) continue;
    kinds.add(kind);
    element.focus({focusVisible: true});
    if (document.activeElement !== element) continue;
    if (!rim(element) && !(element.nextElementSibling && rim(element.nextElementSibling))) {
      faults.push(`the focus cannot be seen: ${element.outerHTML.replace(/\s+/g, " ").slice(0, 120)}`);
    }
  }
  document.activeElement.blur();
  return faults;
}
