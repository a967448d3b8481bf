// What is on the screen of a window: the text, and the ghost text that is not in it.
(() => {
  const GHOST = '[class*="ghost-text-decoration"]';
  const EDITOR = ".editor-group-container.active .editor-instance";
  const plain = (text) => text.replace(/\u00a0/g, " ").replace(/[\u200b-\u200f\ufeff]/g, "");
  const rows = (elements, read) => {
    const found = new Map();
    for (const element of elements) {
      const text = read(element);
      if (text === "") continue;
      const box = element.getBoundingClientRect();
      const top = Math.round(box.top);
      found.set(top, [...(found.get(top) ?? []), [box.left, text]]);
    }
    return [...found.entries()]
      .sort((one, other) => one[0] - other[0])
      .map(([, parts]) => parts.sort((one, other) => one[0] - other[0]).map((part) => part[1]).join(""));
  };
  const midfill = {
    /** The ghost text that is shown, its lines joined; empty where there is none. */
    ghost() {
      const first = [...document.querySelectorAll(`${EDITOR} .view-lines ${GHOST}`)];
      const later = [...document.querySelectorAll(`${EDITOR} .suggest-preview-text .ghost-text`)];
      return plain(rows([...first, ...later], (element) => element.textContent).join("\n"));
    },
    /** The lines of the document that are on the screen, without ghost text. */
    lines() {
      return rows(document.querySelectorAll(`${EDITOR} .view-lines .view-line`), (line) => {
        const copy = line.cloneNode(true);
        for (const ghost of copy.querySelectorAll(GHOST)) ghost.remove();
        return plain(copy.textContent) || "\u0000";
      }).map((line) => line.replace("\u0000", ""));
    },
    /** Whether the last lines on the screen are these. */
    endsWith(want) {
      return JSON.stringify(midfill.lines().slice(-want.length)) === JSON.stringify(want);
    },
    /** The text of the status item; its icon is a name in brackets. */
    status() {
      const item = document.querySelector('.statusbar-item[id$="midfill.status"]');
      if (item === null) return "";
      const icon = item.querySelector(".codicon");
      const name = [...(icon?.classList ?? [])].find((each) => each.startsWith("codicon-") && !each.includes("modifier"));
      return `${name ? `$(${name.slice("codicon-".length)})` : ""} ${plain(item.textContent).trim()}`.trim();
    },
    /** The messages on the screen. */
    messages() {
      return [...document.querySelectorAll(".notification-toast .notification-list-item-message")].map((each) => plain(each.textContent));
    },
    /** Resolve to the milliseconds until ghost text is drawn; null if none comes. */
    ghostAppears(limitMs) {
      const began = performance.now();
      return new Promise((resolve) => {
        const look = (now) => {
          if (midfill.ghost() !== "") resolve(now - began);
          else if (now - began > limitMs) resolve(null);
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      });
    },
  };
  window.midfillDom = midfill;
})();
