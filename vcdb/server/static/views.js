// What the page shows: elements made from answers. Text is set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function timestamp(seconds) {
  const total = Math.round(seconds * 1000);
  const pad = (value, width) => String(value).padStart(width, "0");
  const minutes = Math.floor(total / 60000);
  const rest = total % 60000;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60, 2)}:${pad(Math.floor(rest / 1000), 2)}.${pad(rest % 1000, 3)}`;
}

export function length(seconds) {
  return timestamp(seconds).replace(/\.\d+$/, "");
}

const VARIANTS = {
  as_is: "as it is",
  bars_cut: "with its bars cut off",
  mirrored: "mirrored",
  zoomed: "as a detail of the frame",
  squeezed: "squeezed",
  inner_picture: "as a picture within yours",
};
const VERDICTS = { found: "Found", ambiguous: "Several films share this shot", not_found: "Not found" };

export function verdictWords(answer) {
  if (answer.verdict === "not_found") return "Not found";
  const best = answer.matches[0];
  if (answer.verdict === "found") return `Found: ${best.title} at ${timestamp(best.at_s)}`;
  return `Ambiguous: ${answer.matches.length} films share this shot`;
}

export function answerView(answer, shown, actions) {
  const parts = answer.verdict === "not_found" ? notFound(answer) : found(answer, shown, actions);
  return el("article", { class: "card result", "aria-labelledby": "verdict" }, parts, links(answer, actions));
}

function badge(verdict) {
  return el("p", { class: `badge ${verdict}` }, VERDICTS[verdict]);
}

function notFound(answer) {
  const plain = (answer.reason || "").includes("detail");
  const tips = plain
    ? ["Choose a frame that shows more than a dark, empty or blurred picture."]
    : [
        "Cut away what is around the film: a browser, a phone's edges, a player's buttons.",
        "Try another frame, best one that is bright and without large captions.",
        "The film may not be in the library: look there by its title.",
      ];
  return [
    el(
      "div",
      { class: "head" },
      badge("not_found"),
      el("h2", { id: "verdict", tabindex: "-1" }, plain ? "This picture says too little" : "No film in the library shows this"),
      el("p", { class: "lead" }, plain ? "It has too little detail to tell it from other pictures." : "No stored frame comes close enough to be claimed."),
      answer.note ? el("p", { class: "fine" }, answer.note) : null,
    ),
    el("div", { class: "pair" }, queryFigure(answer, null), el("div", {}, el("p", {}, el("strong", {}, "What to try")), el("ul", { class: "tips" }, tips.map((tip) => el("li", {}, tip))))),
  ];
}

function found(answer, shown, actions) {
  const match = answer.matches[shown];
  const several = answer.verdict === "ambiguous";
  const overlays = [];
  const pair = el("div", { class: "pair" }, queryFigure(answer, match, overlays), storedFigure(match, overlays), previewFigure(match));
  return [
    el(
      "div",
      { class: "head" },
      badge(answer.verdict),
      el("h2", { id: "verdict", tabindex: "-1" }, match.title),
      el("p", { class: "moment" }, el("span", { class: "time" }, timestamp(match.at_s)), el("span", { class: "lead" }, match.duration_s ? `of ${length(match.duration_s)}` : "")),
      several ? el("p", { class: "lead" }, "None of them is claimed: the shot alone does not tell which film yours is from.") : null,
      answer.note ? el("p", { class: "fine" }, answer.note) : null,
    ),
    several ? alsoIn(answer, shown, actions) : null,
    pair,
    overlays.length ? overlaySwitch(overlays) : null,
    facts(match),
  ];
}

function alsoIn(answer, shown, actions) {
  const items = answer.matches.map((match, number) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", "aria-pressed": String(number === shown), onclick: () => actions.show(number) },
        match.preview ? el("img", { src: match.preview.still.replace("size=l", "size=m"), alt: "" }) : null,
        el("strong", {}, match.title),
        el("span", {}, timestamp(match.at_s)),
      ),
    ),
  );
  const more = answer.more ? el("p", { class: "fine" }, `and ${answer.more} more`) : null;
  return el("section", { "aria-label": "Also in" }, el("h3", {}, "Also in"), el("ul", { class: "others" }, items), more);
}

// Pictures and their cells

function queryFigure(answer, match, overlays = []) {
  const comparison = match?.comparison;
  const frame = el("div", { class: "picture" });
  if (answer.query_picture) {
    frame.append(el("img", { src: answer.query_picture, alt: "Your picture" }));
    if (comparison?.x_edges) overlays.push(addOverlay(frame, comparison, comparison.x_edges, comparison.y_edges, comparison.mirrored));
  } else if (answer.query_grid) {
    frame.append(gridPicture(answer.query_grid, "Your picture as a grid of 11 by 7 colours"));
  }
  const caption = answer.query_picture ? "Your picture" : "Your picture, as its link describes it";
  return el("figure", {}, frame, el("figcaption", {}, caption));
}

function storedFigure(match, overlays) {
  const frame = el("div", { class: "picture" });
  const comparison = match.comparison;
  if (match.preview) {
    const image = el("img", { src: match.preview.still, alt: `${match.title} at ${timestamp(match.at_s)}` });
    image.addEventListener("error", () => image.replaceWith(storedGrid(comparison)));
    if (comparison) {
      image.addEventListener("load", () => {
        const [x, y] = plainEdges(image.naturalWidth / image.naturalHeight);
        const overlay = addOverlay(frame, comparison, x, y, false);
        overlay.style.opacity = overlays.on ? 1 : 0;
        overlays.push(overlay);
      });
    }
    frame.append(image);
  } else {
    frame.append(storedGrid(comparison));
  }
  const caption = match.preview ? "The film at this moment" : "What is stored of the film's frame";
  return el("figure", {}, frame, el("figcaption", {}, caption));
}

function storedGrid(comparison) {
  if (!comparison) return el("p", { class: "empty" }, "There is no picture of it.");
  return gridPicture(comparison.stored_grid, "The stored frame as a grid of 11 by 7 colours");
}

function gridPicture(grid, label) {
  const columns = grid[0].map((_, column) => column).filter((column) => grid.some((row) => row[column]));
  const first = columns[0] ?? 0;
  const width = columns.length || 11;
  const picture = svg("svg", { viewBox: `0 0 ${width} 7`, class: "cells", role: "img", "aria-label": label });
  grid.forEach((row, y) =>
    row.forEach((cell, x) => {
      if (cell) picture.append(svg("rect", { x: x - first, y, width: 1.01, height: 1.01, fill: `rgb(${cell.join(",")})` }));
    }),
  );
  return picture;
}

// Where the cells of an unaltered picture lie: squares of a seventh of its short side, centred.
function plainEdges(aspect) {
  const pitch = Math.min(aspect, 1) / 7;
  const edges = (count, step) => Array.from({ length: count + 1 }, (_, k) => 0.5 + (k - count / 2) * step);
  return [edges(11, pitch / aspect), edges(7, pitch)];
}

function addOverlay(frame, comparison, xEdges, yEdges, mirrored) {
  const overlay = svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", class: "over", "aria-hidden": "true" });
  comparison.differences.forEach((row, y) =>
    row.forEach((difference, column) => {
      if (difference === null) return;
      const x = mirrored ? row.length - 1 - column : column;
      const strength = Math.min(1, difference / 1.2);
      overlay.append(
        svg("rect", {
          x: xEdges[x],
          y: yEdges[y],
          width: xEdges[x + 1] - xEdges[x],
          height: yEdges[y + 1] - yEdges[y],
          "fill-opacity": (0.04 + 0.82 * strength).toFixed(3),
        }),
      );
    }),
  );
  overlay.style.opacity = 0;
  frame.append(overlay);
  return overlay;
}

function overlaySwitch(overlays) {
  overlays.on = false;
  const box = el("input", { type: "checkbox", role: "switch", id: "differences" });
  box.addEventListener("change", () => {
    overlays.on = box.checked;
    for (const overlay of overlays) overlay.style.opacity = box.checked ? 1 : 0;
  });
  return el(
    "div",
    { class: "tools" },
    el("label", { class: "switch" }, box, "Show where the pictures differ"),
    el("span", { class: "scale" }, "same", el("i", {}), "different"),
  );
}

function previewFigure(match) {
  if (!match.preview) return el("figure", {}, el("div", { class: "picture" }, el("p", { class: "empty", id: "no-preview" }, match.no_preview)), el("figcaption", {}, "No preview"));
  const video = el("video", { src: match.preview.clip, autoplay: true, loop: true, playsinline: true, controls: true, poster: match.preview.still, "aria-label": "Preview" });
  video.muted = true;
  const holder = el("div", { class: "picture" }, video);
  video.addEventListener("error", () => holder.replaceChildren(el("p", { class: "empty" }, "The preview could not be made.")));
  return el("figure", {}, holder, el("figcaption", {}, "Around this moment"));
}

function facts(match) {
  const percent = `${(100 * match.similarity).toFixed(1)} %`;
  const rows = [
    ["Similarity", percent, el("meter", { min: 0, max: 1, value: match.similarity, "aria-label": "Similarity" })],
    ["Matched", VARIANTS[match.variant] || match.variant.replaceAll("_", " ")],
    ["Looks the same", `${timestamp(match.start_s)} to ${timestamp(match.end_s)}`],
    ["Frame", String(match.frame)],
  ];
  if (match.places.length) rows.push(["Also at", match.places.map((place) => timestamp(place.at_s)).join(", ")]);
  if (match.copies.length) rows.push(["Copies of it", match.copies.map((number) => `video ${number}`).join(", ")]);
  const tags = Object.entries(match.tags).map(([name, value]) => `${name}: ${value}`);
  if (tags.length) rows.push(["Tags", tags.join(", ")]);
  const list = rows.map(([name, value, extra]) => el("div", {}, el("dt", {}, name), el("dd", {}, value), extra ? el("dd", {}, extra) : null));
  list.push(el("div", { class: "wide" }, el("dt", {}, "File"), el("dd", {}, match.path)));
  return el("dl", { class: "facts" }, list);
}

function links(answer, actions) {
  const copy = el("button", { type: "button", id: "copy-link", onclick: () => actions.copyLink(copy) }, "Copy link");
  return el("div", { class: "buttons" }, answer.fingerprint ? copy : null, el("button", { type: "button", class: "main", id: "again", onclick: actions.again }, "New search"));
}

// Courses

export function courseView(location, answer) {
  if (location.verdict === "not_found") return null;
  const values = Object.entries(location.position).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, typeof value === "number" ? String(Math.round(value * 100) / 100) : String(value))),
  );
  const words = location.verdict === "found" ? "On the course" : "On the course, perhaps";
  return el(
    "article",
    { class: "card result", id: "course" },
    el("div", { class: "head" }, el("h2", {}, words), el("p", { class: "lead" }, `${location.title} at ${timestamp(location.at_s)}, confidence ${Math.round(100 * location.confidence)} %`)),
    location.map.courses.length ? courseMap(location) : null,
    location.still ? el("div", { class: "pair" }, queryFigure(answer, null), lapFigure(location)) : null,
    el("dl", { class: "facts" }, values),
  );
}

function lapFigure(location) {
  const frame = el("div", { class: "picture" });
  const image = el("img", { src: location.still, alt: `${location.title} at ${timestamp(location.at_s)}` });
  image.addEventListener("error", () => frame.replaceChildren(el("p", { class: "empty" }, "The lap's frame could not be read.")));
  frame.append(image);
  return el("figure", {}, frame, el("figcaption", {}, "The lap at this place"));
}

function courseMap(location) {
  const points = location.map.courses.flatMap((course) => course.points).concat(location.map.places);
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => -point[1]);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const size = Math.max(Math.max(...xs) - left, Math.max(...ys) - top, 1);
  const margin = size * 0.06;
  const width = Math.max(...xs) - left + 2 * margin;
  const height = Math.max(...ys) - top + 2 * margin;
  const map = svg("svg", { viewBox: `${left - margin} ${top - margin} ${width} ${height}`, class: "map", role: "img", "aria-label": "Map of the course with the place found" });
  for (const course of location.map.courses) {
    const line = course.points.map((point) => `${point[0]},${-point[1]}`).join(" ");
    map.append(svg(course.closes ? "polygon" : "polyline", { points: line, class: "road", "stroke-width": size / 60 }));
  }
  location.map.places.forEach((point, number) =>
    map.append(svg("circle", { cx: point[0], cy: -point[1], r: size / 45, "stroke-width": size / 150, class: number ? "other" : "spot" })),
  );
  return map;
}

// Library

export function filmView(video) {
  const marks = [];
  if (video.is_lap) marks.push("lap");
  if (video.status === "partial") marks.push("partial");
  if (!video.file_is_there) marks.push("file not there");
  for (const [name, value] of Object.entries(video.tags)) marks.push(`${name}: ${value}`);
  const poster = el("div", { class: "poster" }, video.poster ? null : "No picture");
  if (video.poster) {
    const image = el("img", { src: video.poster, alt: "", loading: "lazy" });
    image.addEventListener("error", () => image.replaceWith("No picture"));
    poster.append(image);
  }
  poster.append(el("span", { class: "length" }, length(video.duration_s)));
  return el(
    "li",
    { class: "card film" },
    poster,
    el(
      "div",
      { class: "words" },
      el("h2", {}, video.title),
      el("p", {}, `${video.frames.toLocaleString("en")} frames, added ${new Date(video.added_at).toLocaleDateString()}`),
      marks.length ? el("div", { class: "marks" }, marks.map((mark) => el("span", { class: "mark" }, mark))) : null,
    ),
  );
}
