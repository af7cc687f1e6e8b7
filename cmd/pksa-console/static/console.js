"use strict";
// What the pages do by themselves: ask a passkey, count down, and renew what waits. Everything that
// is shown is text or was made by the server; nothing here builds markup of texts.
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const ask = async (path, params) => {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(params),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };

  const why = (error) => {
    if (error.name === "NotAllowedError") return "The passkey did not answer, or you ended it.";
    if (error instanceof TypeError) return "The console cannot be reached.";
    return error.message;
  };

  const tell = (near, words, good) => {
    const place = (near.closest("[data-card], main") || document).querySelector(".result");
    place.textContent = words;
    place.className = good ? "result good" : "result bad";
    place.hidden = false;
  };

  // close takes away what a card that has its answer offers.
  const close = (card) => {
    for (const part of card.querySelectorAll(".buttons, .countdown, .small")) part.hidden = true;
  };

  const sign = async (asked) => {
    const made = await navigator.credentials.get({ publicKey: {
      challenge: bytes(asked.challenge), rpId: asked.rp_id, userVerification: "required", timeout: 120000,
      allowCredentials: asked.allow.map((id) => ({ type: "public-key", id: bytes(id) })),
    } });
    return {
      challenge: asked.challenge, credential: text(made.rawId), client_data: text(made.response.clientDataJSON),
      authenticator_data: text(made.response.authenticatorData), signature: text(made.response.signature),
    };
  };

  const login = async (button) => {
    await ask("/login/finish", await sign(await ask("/login/begin", {})));
    location.assign(button.dataset.login + location.hash); // which names the card that a message is about
  };

  const approve = async (button) => {
    // The number is text of decimal digits: JavaScript need not hold it.
    const number = Number(button.dataset.approve);
    const asked = await ask("/decision/begin", { number, yes: true, seen: button.dataset.seen });
    const done = await ask("/decision/finish", { number, yes: true, ...await sign(asked) });
    if (done.answered !== true) throw new Error("The wallet did not say that it took your yes.");
    tell(button, done.lacks ? "The wallet has your yes. Nothing is done yet: it takes " + done.lacks + "."
      : "The wallet has your yes. It judges the request once more; Audit says what became of it.", true);
    close(button.closest(".card"));
  };

  const resume = async (button) => {
    const app = button.dataset.resume;
    const done = await ask("/resume/finish", { app, ...await sign(await ask("/resume/begin", { app })) });
    if (done.answered !== true) throw new Error("The wallet did not say that it took your yes.");
    button.hidden = true;
    return (app || "The wallet") + " goes on.";
  };

  // pairing is the link that the page asked about, with the question of the wallet. A question is
  // answered once, and another link is another one.
  let pairing = null;
  const asks = document.getElementById("asks");
  const field = (name) => asks.querySelector("[data-ask=" + name + "]");
  const forget = () => { pairing = null; if (asks) asks.hidden = true; };
  if (asks) for (const part of document.querySelectorAll(".fields *")) part.addEventListener("input", forget);

  const look = async (button) => {
    forget();
    const value = (name) => document.getElementById(name).value;
    const link = btoa(String.fromCharCode(...new TextEncoder().encode(value("link").trim())));
    const params = { app: value("app"), link, length: Number(value("length")) * 3600e9 };
    const asked = await ask("/pair/begin", params);
    if (asked.already) throw new Error("This link made its session already: Sessions has it.");
    pairing = { params, sign: asked.sign };
    for (const name of ["account", "relay", "app", "calls_itself", "challenge"]) {
      field(name).textContent = asked[name] || "";
      field(name).hidden = !asked[name];
    }
    field("for").textContent = document.getElementById("length").selectedOptions[0].textContent;
    const lines = asked.permits.length ? asked.permits : ["nothing: no rule names this app and account"];
    field("permits").replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
    asks.hidden = false;
    document.querySelector(".result").hidden = true;
    button.disabled = false;
  };

  const pair = async (button) => {
    const { params, sign: asked } = pairing;
    pairing = null;
    const made = await ask("/pair/finish", { ...params, ...await sign(asked) });
    if (!made.id) throw new Error("The wallet did not say that it made a session.");
    document.getElementById("link").value = "";
    button.closest(".buttons").hidden = true;
    return "Paired: session " + made.id + " of " + made.app + " for " + made.account + ".";
  };

  const change = async (button) => {
    const params = { from: button.dataset.from, to: button.dataset.policy };
    const status = await ask("/policy/finish", { ...params, ...await sign(await ask("/policy/begin", params)) });
    if (status.sha256 !== params.to) throw new Error("The wallet did not say that the policy is in force.");
    button.hidden = true;
    return "The policy is in force.";
  };

  const enrol = async () => {
    const code = location.hash.slice(1);
    if (!code) throw new Error("The link has no code: open it as pksa approver add prints it.");
    const asked = await ask("/enrol/begin", { code });
    const made = await navigator.credentials.create({ publicKey: {
      challenge: bytes(asked.challenge), rp: { id: asked.rp_id, name: "Wallet" },
      user: { id: bytes(asked.user_id), name: asked.user_name, displayName: asked.user_name },
      pubKeyCredParams: asked.algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: asked.exclude.map((id) => ({ type: "public-key", id: bytes(id) })),
      authenticatorSelection: { userVerification: "required", residentKey: "preferred" },
      attestation: "none", timeout: 120000,
    } });
    const done = await ask("/enrol/finish", {
      code, challenge: asked.challenge, client_data: text(made.response.clientDataJSON),
      attestation: text(made.response.attestationObject),
    });
    history.replaceState(null, "", "/enrol"); // the code is spent
    for (const part of document.querySelectorAll("[data-after]")) part.hidden = !part.hidden;
    return "You are enrolled as " + done.name + ". Your fingerprint is " + done.fingerprint + ".";
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { dataset } = button;
    if (!("login" in dataset || "approve" in dataset || "enrol" in dataset || "resume" in dataset ||
      "look" in dataset || "pair" in dataset || "policy" in dataset)) return;
    button.disabled = true;
    try {
      if ("login" in dataset) await login(button);
      else if ("approve" in dataset) await approve(button);
      else if ("resume" in dataset) tell(button, await resume(button), true);
      else if ("policy" in dataset) tell(button, await change(button), true);
      else if ("look" in dataset) await look(button);
      else if ("pair" in dataset) tell(asks, await pair(button), true);
      else tell(button, await enrol(), true);
    } catch (error) {
      if ("pair" in dataset) forget(); // its question is answered: the link is looked at once more
      tell("pair" in dataset ? asks : button, "Not done: " + why(error), false);
      button.disabled = false;
    }
  });

  const count = () => {
    for (const time of document.querySelectorAll("[data-until]")) {
      const left = Math.floor((Date.parse(time.dataset.until) - Date.now()) / 1000);
      const over = left <= 0;
      time.textContent = over ? "time is over" : left < 120 ? left + " s" : Math.floor(left / 60) + " min";
      const card = time.closest(".card");
      card.classList.toggle("urgent", left < 20);
      if (over) for (const button of card.querySelectorAll("button")) button.disabled = true;
    }
  };

  const cards = document.querySelector("[data-live]");
  if (!cards) return;
  count();
  setInterval(count, 1000);
  const lost = document.getElementById("lost");
  const news = document.getElementById("news");
  const numbers = () => [...cards.querySelectorAll("[data-card]")].map((card) => card.dataset.card);

  // renew puts new cards in and takes old ones out. A card that stays is left as it is: a person
  // may be about to touch it. One whose answer stands in it stays until it has been read.
  const renew = async () => {
    const answer = await fetch("/cards");
    if (answer.status === 401) { location.assign("/login"); return; }
    if (!answer.ok) throw new Error();
    const before = numbers();
    const part = new DOMParser().parseFromString(await answer.text(), "text/html");
    const kept = new Map([...cards.querySelectorAll("[data-card]")].map((card) => [card.dataset.card, card]));
    for (const card of part.querySelectorAll("[data-card]")) {
      const old = kept.get(card.dataset.card);
      if (old) {
        for (const place of [".said", ".told"]) { // which others change
          const now = card.querySelector(place);
          if (now) old.querySelector(place).textContent = now.textContent;
        }
        card.replaceWith(old);
      }
      kept.delete(card.dataset.card);
    }
    const answered = [...kept.values()].filter((card) => !card.querySelector(".result").hidden);
    answered.forEach(close);
    cards.replaceChildren(...answered, ...part.body.children);
    const come = numbers().filter((number) => !before.includes(number)).length;
    if (come) news.textContent = come === 1 ? "A new request waits." : come + " new requests wait.";
    document.title = (part.querySelectorAll("[data-card]").length ? "● " : "") + "Waiting · wallet";
    lost.hidden = true;
    count();
  };
  const stream = new EventSource("/live");
  stream.onmessage = (event) => {
    if (event.data === "lost") lost.hidden = false;
    else renew().catch(() => { lost.hidden = false; });
  };
  stream.onerror = () => { lost.hidden = false; };
  stream.onopen = () => { renew().catch(() => { lost.hidden = false; }); };
})();
