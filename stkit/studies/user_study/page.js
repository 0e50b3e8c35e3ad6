"use strict";
// One volunteer's way through the study. The answers stay in this browser until they are saved.

const study = JSON.parse(document.getElementById("data").textContent);
const STORED = `study-${study.study}`;

/** A number from 0 to count - 1, all equally likely. */
function draw(count) {
  const limit = Math.floor(2 ** 32 / count) * count;
  const number = new Uint32Array(1);
  do {
    crypto.getRandomValues(number);
  } while (number[0] >= limit);
  return number[0] % count;
}

/** The items in random order (Fisher and Yates). */
function shuffled(items) {
  const out = [...items];
  for (let last = out.length - 1; last > 0; last -= 1) {
    const other = draw(last + 1);
    [out[last], out[other]] = [out[other], out[last]];
  }
  return out;
}

/** What a volunteer who begins has: a name made of random digits, and an order of everything. */
function newSession() {
  const digits = Array.from({ length: 10 }, () => draw(10)).join("");
  const answers = shuffled(study.questions).map((question) => ({
    question: question.code,
    shown: shuffled(question.clips),
    chosen: null,
    seconds: 0,
  }));
  return { study: study.study, rater: digits, at: 0, answers };
}

/** The session that was begun in this browser, or null. */
function storedSession() {
  try {
    return JSON.parse(localStorage.getItem(STORED));
  } catch {
    return null;
  }
}

let session = storedSession();
let since = 0;

function keep() {
  try {
    localStorage.setItem(STORED, JSON.stringify(session));
  } catch {
    // without storage a reload begins anew; the file at the end is written all the same
  }
}

function show(name) {
  for (const section of ["start", "question", "end"]) {
    document.getElementById(section).hidden = section !== name;
  }
}

function clipButton(file, number, chosen) {
  const button = document.createElement("button");
  button.className = "clip";
  button.setAttribute("aria-pressed", String(chosen));
  button.setAttribute("aria-label", `Result ${number}`);
  const video = document.createElement("video");
  Object.assign(video, { src: `clips/${file}`, muted: true, loop: true, autoplay: true });
  video.playsInline = true;
  button.append(video, String(number));
  button.addEventListener("click", () => choose(file));
  return button;
}

function showQuestion() {
  if (session.at >= session.answers.length) {
    showEnd();
    return;
  }
  const answer = session.answers[session.at];
  const question = study.questions.find((q) => q.code === answer.question);
  show("question");
  const count = session.answers.length;
  document.getElementById("progress").textContent = `Question ${session.at + 1} of ${count}`;
  document.getElementById("text").textContent = question.text;
  const buttons = answer.shown.map((file, k) => clipButton(file, k + 1, file === answer.chosen));
  document.getElementById("clips").replaceChildren(...buttons);
  document.getElementById("next").disabled = answer.chosen === null;
  document.getElementById("back").disabled = session.at === 0;
  since = performance.now();
}

function choose(file) {
  const answer = session.answers[session.at];
  answer.chosen = file;
  const buttons = document.querySelectorAll(".clip");
  buttons.forEach((button, k) => {
    button.setAttribute("aria-pressed", String(answer.shown[k] === file));
  });
  document.getElementById("next").disabled = false;
  keep();
}

function move(step) {
  const answer = session.answers[session.at];
  if (step > 0 && answer.chosen === null) return;
  answer.seconds += Math.round((performance.now() - since) / 100) / 10;
  session.at = Math.max(0, session.at + step);
  keep();
  showQuestion();
}

function showEnd() {
  show("end");
  const link = document.getElementById("save");
  const text = JSON.stringify({ ...session, at: undefined }, null, 1);
  link.href = `data:application/json,${encodeURIComponent(text)}`;
  link.download = `answers-${session.rater}.json`;
}

document.getElementById("agree").addEventListener("change", (event) => {
  document.getElementById("begin").disabled = !event.target.checked;
});
document.getElementById("begin").addEventListener("click", () => {
  session = newSession();
  keep();
  showQuestion();
});
document.getElementById("next").addEventListener("click", () => move(1));
document.getElementById("back").addEventListener("click", () => move(-1));
document.addEventListener("keydown", (event) => {
  if (document.getElementById("question").hidden) return;
  const shown = session.answers[session.at].shown;
  const number = Number(event.key);
  if (number >= 1 && number <= shown.length) choose(shown[number - 1]);
  if (event.key === "Enter") {
    event.preventDefault();
    move(1);
  }
  if (event.key === "ArrowLeft") move(-1);
});

if (session) showQuestion();
else show("start");
