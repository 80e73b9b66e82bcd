// The page: what comes in (drop, paste, file, camera, address, link), and where one is.

import { answerView, courseView, el, filmView, length, verdictWords } from "./views.js";

const $ = (id) => document.getElementById(id);
const PAGE = 60;
const CHOICES = ["light", "dark"];

let stats = { laps: 0, fetches_urls: false, most_upload_bytes: 25e6 };
let running = null;
let answer = null;
let library = { text: "", offset: 0, asked: 0 };

// Asking

function ask(request) {
  running?.abort();
  $("problem").hidden = true;
  $("answer").hidden = true;
  $("ask").classList.add("small");
  $("working").hidden = false;
  showProgress(request.body instanceof Blob ? 0 : null);
  const call = new XMLHttpRequest();
  running = call;
  call.open(request.method, request.path);
  call.responseType = "json";
  for (const [name, value] of Object.entries(request.headers || {})) call.setRequestHeader(name, value);
  call.upload.onprogress = (event) => showProgress(event.lengthComputable ? event.loaded / event.total : null);
  call.upload.onload = () => showProgress(null);
  call.onload = () => {
    if (call.status === 200) show(call.response, request);
    else fail(call.response?.error || `The server answered with status ${call.status}.`);
  };
  call.onerror = () => fail("The server cannot be reached. Is it still running?");
  call.onloadend = () => {
    if (running !== call) return;
    running = null;
    $("working").hidden = true;
  };
  call.send(request.body || null);
}

function showProgress(share) {
  const bar = $("progress");
  if (share === null) {
    bar.removeAttribute("value");
    $("working-text").textContent = "Searching";
  } else {
    bar.value = 100 * share;
    $("working-text").textContent = `Uploading, ${Math.round(100 * share)} %`;
  }
}

function askFile(file) {
  if (file.size > stats.most_upload_bytes) {
    running?.abort();
    $("ask").classList.add("small");
    const limit = Math.round(stats.most_upload_bytes / 1e6);
    fail(`The file has ${(file.size / 1e6).toFixed(1)} MB; the limit is ${limit} MB. A screenshot of it is enough.`);
    return;
  }
  const thumb = $("working-picture");
  thumb.hidden = !file.type.startsWith("image/");
  if (!thumb.hidden) {
    thumb.src = URL.createObjectURL(file);
    thumb.onload = () => URL.revokeObjectURL(thumb.src);
    thumb.onerror = () => (thumb.hidden = true);
  }
  go("search");
  ask({ method: "POST", path: "api/v1/find?evidence=true", headers: { "Content-Type": "application/octet-stream" }, body: file });
}

function askAddress(url) {
  if (!stats.fetches_urls) return fail("This server reads no addresses; save the picture and drop it here.");
  $("working-picture").hidden = true;
  ask({ method: "GET", path: `api/v1/find?evidence=true&url=${encodeURIComponent(url)}` });
}

function askLink(fingerprint) {
  $("working-picture").hidden = true;
  ask({ method: "POST", path: "api/v1/find?evidence=true", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ fingerprint }), isLink: true });
}

// Answering

function show(found, request) {
  answer = found;
  draw(0);
  $("said").textContent = verdictWords(answer);
  document.title = `${verdictWords(answer)} – vcdb`;
  if (!request.isLink && answer.fingerprint) history.pushState(null, "", `#f=${answer.fingerprint}`);
  if (stats.laps && request.body instanceof Blob) locate(request.body, found);
}

function draw(shown) {
  const actions = { show: (number) => draw(number), copyLink, again: startOver };
  $("answer").replaceChildren(answerView(answer, shown, actions));
  $("answer").hidden = false;
  $("verdict").focus({ preventScroll: true });
  $("answer").scrollIntoView({ block: "nearest" });
}

async function locate(file, found) {
  const response = await fetch("api/v1/locate", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
  if (!response.ok || answer !== found) return;
  const view = courseView(await response.json(), found);
  if (view) $("answer").append(view);
}

async function copyLink(button) {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy the address above";
  }
  $("said").textContent = button.textContent;
  setTimeout(() => (button.textContent = words), 2500);
}

function fail(sentence) {
  $("answer").hidden = true;
  $("working").hidden = true;
  $("problem").replaceChildren(el("h2", {}, "That did not work"), el("p", {}, sentence));
  $("problem").hidden = false;
}

function startOver() {
  answer = null;
  $("answer").hidden = true;
  $("problem").hidden = true;
  $("ask").classList.remove("small");
  history.pushState(null, "", "#search");
  route();
  $("choose").focus();
}

// What comes in

function isFiles(event) {
  return [...(event.dataTransfer?.types || [])].includes("Files");
}

function dragged(event) {
  event.preventDefault();
  const kinds = [...(event.dataTransfer.items || [])].map((item) => item.type);
  const fits = isFiles(event) && (!kinds.length || kinds.some((kind) => !kind || /^(image|video)\//.test(kind)));
  event.dataTransfer.dropEffect = fits ? "copy" : "none";
  $("veil").classList.toggle("no", !fits);
  $("veil-text").textContent = fits ? "Drop to find which film this is from" : "Only a picture or a clip can be searched";
  $("veil").hidden = false;
}

function dropped(event) {
  event.preventDefault();
  $("veil").hidden = true;
  const file = event.dataTransfer?.files[0];
  if (file) askFile(file);
  else fail("Only a picture or a clip can be searched.");
}

function pasted(event) {
  const file = [...event.clipboardData.files][0];
  if (file) {
    event.preventDefault();
    askFile(file);
    return;
  }
  const text = event.clipboardData.getData("text").trim();
  if (/^https?:\/\//i.test(text) && event.target !== $("url")) {
    event.preventDefault();
    askAddress(text);
  }
}

function chosen(event) {
  const file = event.target.files[0];
  event.target.value = "";
  if (file) askFile(file);
}

async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia || matchMedia("(pointer: coarse)").matches) {
    $("snap").click();
    return;
  }
  $("camera-problem").textContent = "";
  $("camera-dialog").showModal();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if (!$("camera-dialog").open) return stopStream(stream);
    $("camera-video").srcObject = stream;
    await $("camera-video").play();
  } catch (error) {
    $("camera-problem").textContent = error.name === "NotAllowedError" ? "The browser does not allow this page to use the camera." : "There is no camera that could be used.";
  }
}

function stopStream(stream) {
  for (const track of stream?.getTracks() || []) track.stop();
}

function takePicture() {
  const video = $("camera-video");
  if (!video.videoWidth) return;
  const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    $("camera-dialog").close();
    askFile(blob);
  }, "image/jpeg", 0.9);
}

// The library

async function list(more) {
  if (!more) library.offset = 0;
  const asked = ++library.asked;
  const query = new URLSearchParams({ text: library.text, offset: library.offset, limit: PAGE });
  try {
    const response = await fetch(`api/v1/videos?${query}`);
    const found = await response.json();
    if (asked !== library.asked) return;
    if (!response.ok) throw new Error(found.error);
    const films = found.videos.map(filmView);
    if (more) $("films").append(...films);
    else $("films").replaceChildren(...films);
    library.offset += films.length;
    $("more").hidden = library.offset >= found.total;
    $("library-count").textContent = words(found.total);
  } catch (error) {
    $("library-count").textContent = error.message || "The library cannot be read.";
  }
}

function words(total) {
  if (!total && library.text) return `No film has “${library.text}” in its title or tags.`;
  if (!total) return "There is no film yet; 'vcdb add' brings them in.";
  const films = total === 1 ? "1 film" : `${total.toLocaleString("en")} films`;
  return library.text ? `${films} for “${library.text}”` : films;
}

// Where one is

function go(view) {
  for (const name of ["search", "library"]) {
    $(`view-${name}`).hidden = name !== view;
    if (name === view) $(`nav-${name}`).setAttribute("aria-current", "page");
    else $(`nav-${name}`).removeAttribute("aria-current");
  }
}

function route() {
  const place = location.hash.slice(1);
  if (place === "main") return;
  document.title = "vcdb – which film is this frame from?";
  if (place === "library") {
    go("library");
    list(false);
    return;
  }
  go("search");
  if (place.startsWith("f=")) {
    const fingerprint = place.slice(2);
    if (answer?.fingerprint !== fingerprint || $("answer").hidden) askLink(fingerprint);
  } else if (answer) {
    answer = null;
    $("answer").hidden = true;
    $("problem").hidden = true;
    $("ask").classList.remove("small");
  }
}

function setTheme(choice) {
  if (CHOICES.includes(choice)) document.documentElement.dataset.theme = choice;
}

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  setTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // A browser that keeps nothing still switches.
  }
}

async function readStats() {
  const response = await fetch("api/v1/stats");
  if (!response.ok) return;
  stats = await response.json();
  $("address").hidden = !stats.fetches_urls;
  $("figures").textContent = `${stats.videos.toLocaleString("en")} films, ${length(stats.duration_s)}, ${stats.frames.toLocaleString("en")} frames`;
}

function start() {
  try {
    setTheme(localStorage.getItem("theme"));
  } catch {
    // A browser that keeps nothing follows the system.
  }
  addEventListener("dragenter", dragged);
  addEventListener("dragover", dragged);
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("veil").hidden = true;
  });
  addEventListener("drop", dropped);
  addEventListener("paste", pasted);
  addEventListener("popstate", route);
  $("choose").onclick = () => $("file").click();
  $("file").onchange = chosen;
  $("snap").onchange = chosen;
  $("camera").onclick = openCamera;
  $("camera-take").onclick = takePicture;
  $("camera-close").onclick = () => $("camera-dialog").close();
  $("camera-dialog").addEventListener("close", () => {
    stopStream($("camera-video").srcObject);
    $("camera-video").srcObject = null;
  });
  $("cancel").onclick = () => {
    running?.abort();
    startOver();
  };
  $("address").onsubmit = (event) => {
    event.preventDefault();
    askAddress($("url").value.trim());
  };
  $("theme").onclick = switchTheme;
  $("library-search").onsubmit = (event) => event.preventDefault();
  $("text").oninput = () => {
    library.text = $("text").value.trim();
    list(false);
  };
  $("more").onclick = () => list(true);
  readStats().finally(route);
}

start();
