// A growing log: lines come as JSON, [kind, text] each, and are only ever set as text.
"use strict";

const MOST_LINES = 5000;
const NEAR = 40; // pixels from the end within which a reader follows it

class Log {
  constructor(element) {
    this.element = element;
    this.state = document.querySelector("[data-log-state]");
    this.pauseButton = document.querySelector("[data-log-pause]");
    this.following = true;
    this.waiting = [];
    if (this.pauseButton) this.pauseButton.hidden = false;
    this.scrollToEnd();
    element.addEventListener("scroll", () => this.noteScroll());
    this.pauseButton?.addEventListener("click", () => this.setPaused(!this.paused));
    // A browser opens six connections to a host, so a log that nobody looks at gives its own back.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.connect()));
    this.connect();
  }

  get paused() {
    return this.pauseButton?.getAttribute("aria-pressed") === "true";
  }

  connect() {
    if (this.ended || this.source) return;
    const address = new URL(this.element.dataset.events, location.href);
    if (this.last) address.searchParams.set("after", this.last);
    const source = new EventSource(address);
    source.onopen = () => this.say("live");
    source.onmessage = (event) => {
      this.last = event.lastEventId;
      this.receive(JSON.parse(event.data));
    };
    source.onerror = () => this.say(source.readyState === EventSource.CLOSED ? "ended" : "connecting…");
    source.addEventListener("end", () => this.end());
    this.source = source;
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  end() {
    this.ended = true;
    this.close();
    this.say("ended");
    document.body.dispatchEvent(new Event("refresh"));
  }

  receive(lines) {
    this.waiting.push(...lines);
    if (this.waiting.length > MOST_LINES) this.waiting.splice(0, this.waiting.length - MOST_LINES);
    if (this.paused) this.say(`paused, ${this.waiting.length} new`);
    else this.flush();
  }

  flush() {
    const added = document.createDocumentFragment();
    for (const [kind, text, meta] of this.waiting.splice(0)) added.append(Log.line(kind, text, meta));
    this.element.append(added);
    while (this.element.childElementCount > MOST_LINES) this.element.firstElementChild.remove();
    if (this.following) this.scrollToEnd();
  }

  static line(kind, text, meta) {
    const line = document.createElement("div");
    line.className = kind;
    if (meta) {
      const head = document.createElement("span");
      head.className = "meta";
      head.textContent = meta + " ";
      line.append(head);
    }
    line.append(text);
    return line;
  }

  setPaused(paused) {
    this.pauseButton.setAttribute("aria-pressed", String(paused));
    this.pauseButton.textContent = paused ? "Go on" : "Pause";
    this.say(paused ? "paused" : "live");
    if (!paused) {
      this.following = true;
      this.flush();
    }
  }

  noteScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR;
  }

  scrollToEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  say(text) {
    if (this.state) this.state.textContent = text;
  }
}

for (const element of document.querySelectorAll("[data-events]")) new Log(element);
