(() => { // Warns before the session of a page ends, and hides the page when it has ended: see docs/tabs.md of Wafer.
  const script = document.currentScript, url = name => new URL(name, script.src), page = document.documentElement.dataset;
  const words = { login: location.pathname + location.search, warning: "You will be logged out soon.", stay: "Stay logged in",
    last: "Your session ends soon. To keep this page, log in again in a new window.", close: "Close",
    ended: "You have been logged out.", locked: "Log in again to go on.", again: "Log in again", ...script.dataset };
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const hide = yes => document.body.style.setProperty("display", yes ? "none" : "", "important");
  const pause = () => failures && Math.min(60, 2 ** failures) * (500 + 500 * Math.random());
  const act = () => page.wafer === "warning" ? ask("POST") : page.wafer === "last" && dialog.close();
  const clock = make("span", { role: "timer" }), dialog = make("dialog", { className: "wafer-tab", role: "alertdialog",
    oncancel: e => { e.preventDefault(); act(); }, onclose: () => dialog.open || (locked ? dialog.showModal() : act()) }); // Escape
  let who, state, locked = false, next = Infinity, failures = 0, leave, channel; // who: whose page this is; null: nobody's
  async function ask(method = "GET", anew = who === undefined) { // only POST renews the session
    next = Infinity;
    try {
      const answer = await fetch(url("state"), { method, cache: "no-store", signal: AbortSignal.timeout(10000) });
      const news = await (answer.ok ? answer.json() : Promise.reject(answer));
      if (anew) who = news.who ?? ("required" in words ? "" : null);
      channel.postMessage(news);
      learn(news);
    } catch { // no network, or the server restarts
      failures++;
      next = Date.now() + 1000 + pause();
      if (who && Date.now() >= state?.end) show("ended"), hide(locked);
    }
  }
  function learn(news) { // Asks again when a warning is due or shows, and once after a refusal: another tab may get a newer cookie.
    const at = Date.now(), was = state?.who, mine = news.who === who;
    state = { ...news, end: at + news.left * 1000 };
    if (!mine) leave?.(); else if (!leave) follow();
    show(mine ? news.left > news.warn ? "active" : news.extend ? "warning" : "last" : who === null ? "none" : "ended");
    hide(locked);
    next = mine ? Math.min(state.end, Math.max(state.end - news.warn * 1000, at + 10000)) : who && was === who ? at + 1000 : Infinity;
  }
  function follow() { // one tab has a stream for all of them, because HTTP/1.1 has six connections
    const end = new AbortController(), locks = navigator.locks ?? { request: async (name, options, hold) => hold() };
    leave = () => { leave = undefined; end.abort(); };
    locks.request("wafer " + url("."), { signal: end.signal }, () => new Promise(done => {
      let source;
      const again = async () => { source.close(); await ask(); setTimeout(open, 300 + pause()); };
      const open = () => {
        if (end.signal.aborted) return done();
        source = new EventSource(url("events"));
        source.addEventListener("session", e => { failures = 0; learn(JSON.parse(e.data)); });
        source.addEventListener("ended", again);
        source.onerror = () => { if (source.readyState === EventSource.CLOSED) again(failures++); };
      };
      end.signal.onabort = () => { source.close(); done(); }; open();
    })).catch(() => {});
  }
  function show(what) { // "none", "active", "warning", "last" or "ended"
    if (what === page.wafer) return;
    page.wafer = what;
    dialog.close();
    const usual = document.dispatchEvent(new CustomEvent("wafer:" + what, { cancelable: true, detail: state }));
    locked = usual && what === "ended";
    const link = make("a", { href: words.login, textContent: words.again, target: what === "last" ? "_blank" : "" });
    const button = make("button", { type: "button", textContent: what === "last" ? words.close : words.stay, onclick: act });
    const controls = { warning: [clock, " ", button], last: [clock, " ", link, " ", button], ended: [link] }[what];
    const text = words[what === "ended" && state?.reason === "login_required" ? "locked" : what];
    if (!usual || !controls) return;
    Object.assign(dialog, { ariaLabel: text }).replaceChildren(make("p", { textContent: text }), ...controls);
    document.documentElement.append(dialog);
    dialog.style.font = getComputedStyle(document.body).font;
    dialog.showModal();
  }
  function begin() {
    channel = Object.assign(new BroadcastChannel("wafer " + url(".")), { onmessage: e => who === undefined || learn(e.data) });
    ask();
  }
  document.addEventListener("wafer:check", () => ask("GET", true)); // the page itself logged in or out
  document.addEventListener("visibilitychange", () => document.hidden || who === null || ask());
  addEventListener("pagehide", e => { leave?.(); channel.close(); hide(locked || e.persisted && who); });
  addEventListener("pageshow", e => e.persisted && begin()); // out of the back/forward cache
  setInterval(() => {
    if (Date.now() >= next) ask();
    clock.textContent = new Date(Math.max(0, state?.end - Date.now()) || 0).toISOString().slice(14, 19);
  }, 1000);
  begin();
})();
