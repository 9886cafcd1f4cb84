"use strict";
// Skeletons to look at: the camera's view with its keypoints beside a view that turns, from above at first. It draws what the JSON holds.
(() => {
  const data = JSON.parse(document.getElementById("skeleton-data").textContent);
  const home = document.getElementById("viewer"), joints = data.joints.length, still = matchMedia("(prefers-reduced-motion: reduce)");
  const make = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const decode = (text, unit) => {
    if (text === null) return null;
    const whole = new Int16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    return Float32Array.from(whole, (value) => (value === -32768 ? NaN : value / unit));
  };
  const state = { window: 0, frame: 0, turn: 0, tilt: 90, zoom: 1, shown: new Set(), timer: 0, error: false };
  let now; // the decoded window
  const load = (number) => {
    const w = data.windows[number];
    now = { ...w, truth: decode(w.truth, w.unit), root: decode(w.root, 1), keypoints: decode(w.keypoints, w.unit) };
    now.predicted = w.predicted.map((poses) => decode(poses, w.unit));
    now.reach = 1.12 * Math.max(400, ...[now.truth, ...now.predicted].flatMap((poses) => (poses ? [poses.reduce((m, v) => (Math.abs(v) > m ? Math.abs(v) : m), 0)] : [])));
  };

  // --- drawing
  const probes = {};
  for (const name of ["truth", "left", "right", "middle", "ink", "quiet", "low", "high", ...data.results.map((_, i) => `r${i % 8}`)]) {
    probes[name] = make("span", { className: `probe p-${name}` });
    home.append(probes[name]);
  }
  let colours = {};
  const readColours = () => {
    for (const name in probes) colours[name] = getComputedStyle(probes[name]).color;
  };
  const mix = (share) => {
    const [a, b] = [colours.low, colours.high].map((c) => c.match(/[\d.]+/g).map(Number));
    return `rgb(${a.slice(0, 3).map((v, i) => Math.round(v + (b[i] - v) * share))})`;
  };
  const seen = (x, y, z) => {
    if (!now.root) return [x, y];
    const [X, Y, Z] = now.root.subarray(3 * state.frame, 3 * state.frame + 3), s = Z / Math.max(Z + z, 100);
    return [(x + X) * s - X, (y + Y) * s - Y];
  };
  const turned = (x, y, z) => {
    const a = (state.turn * Math.PI) / 180, e = (state.tilt * Math.PI) / 180;
    const across = Math.cos(a) * x + Math.sin(a) * z, away = Math.cos(a) * z - Math.sin(a) * x;
    return [across, Math.cos(e) * y - Math.sin(e) * away];
  };
  const at = (poses, joint) => poses.subarray(3 * (state.frame * joints + joint), 3 * (state.frame * joints + joint) + 3);
  const errorOf = (poses, joint) => Math.hypot(...at(poses, joint).map((v, i) => v - at(now.truth, joint)[i]));
  const fit = (canvas) => {
    const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1, side = Math.max(1, Math.round(box.width * ratio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.width);
    pen.lineCap = "round";
    return [pen, box.width];
  };
  const skeleton = (pen, place, poses, colour, width) => {
    data.bones.forEach(([a, b, side]) => {
      const ends = [at(poses, a), at(poses, b)].map((p) => place(...p));
      if (!ends.flat().every(Number.isFinite)) return;
      [pen.strokeStyle, pen.lineWidth] = [colour(a, b, side), width(a, b)];
      pen.beginPath();
      pen.moveTo(...ends[0]);
      pen.lineTo(...ends[1]);
      pen.stroke();
    });
  };
  const draw = () => {
    for (const [canvas, project] of [[camera, seen], [above, turned]]) {
      const [pen, side] = fit(canvas), scale = ((side / 2) * (canvas === above ? state.zoom : 1)) / now.reach;
      const place = (...p) => project(...p).map((v) => side / 2 + v * scale);
      pen.font = "12px system-ui, sans-serif";
      if (canvas === above) {
        const end = place(0, 0, -0.86 * now.reach);
        [pen.strokeStyle, pen.fillStyle, pen.lineWidth] = [colours.quiet, colours.quiet, 1];
        pen.setLineDash([4, 4]);
        pen.beginPath();
        pen.moveTo(side / 2, side / 2);
        pen.lineTo(...end);
        pen.stroke();
        pen.setLineDash([]);
        pen.textAlign = "center";
        if (Math.hypot(end[0] - side / 2, end[1] - side / 2) > 30) pen.fillText("camera", end[0], end[1] + 14);
      }
      skeleton(pen, place, now.truth, () => colours.truth, () => 7);
      for (const result of state.shown) {
        const poses = now.predicted[result];
        if (!poses) continue;
        const error = (a, b) => Math.min(1, (errorOf(poses, a) + errorOf(poses, b)) / 2 / 200);
        const plain = state.shown.size > 1 ? () => colours[`r${result % 8}`] : (a, b, s) => colours[["middle", "left", "right"][s]];
        skeleton(pen, place, poses, state.error ? (a, b) => mix(error(a, b)) : plain, state.error ? (a, b) => 2.5 + 4.5 * error(a, b) : () => 3);
      }
      if (canvas === camera && now.keypoints) {
        [pen.strokeStyle, pen.lineWidth] = [colours.ink, 1.2];
        for (let joint = 0; joint < joints; joint++) {
          const k = 2 * (state.frame * joints + joint), [x, y] = [now.keypoints[k], now.keypoints[k + 1]].map((v) => side / 2 + v * scale);
          if (!Number.isFinite(x + y)) continue;
          pen.beginPath();
          pen.moveTo(x - 4, y);
          pen.lineTo(x + 4, y);
          pen.moveTo(x, y - 4);
          pen.lineTo(x, y + 4);
          pen.stroke();
        }
      }
    }
    const scheme = state.error ? "bones from blue and thin, no error, to orange and thick, 200 mm or more" : state.shown.size > 1 ? "each result in its colour" : "left is blue, right is orange";
    // A joint that is not finite, or more than 32 m away, has no place here.
    legend.textContent = `Grey: true pose${now.keypoints ? "; crosses: keypoints" : ""}; ${scheme}. Errors by joint in mm.`;
    const number = now.first + now.step * state.frame, chosen = [...state.shown];
    scrub.value = state.frame;
    scrub.setAttribute("aria-valuetext", `frame ${number}`);
    where.textContent = `frame ${number}${state.frame === now.at ? " (the chosen one)" : ""}`;
    const errors = chosen.filter((r) => now.predicted[r]).map((r) => [r, data.joints.map((_, j) => errorOf(now.predicted[r], j))]);
    const mean = (e) => e.reduce((a, b) => a + b, 0) / joints, shown = (v, unit = "") => (Number.isFinite(v) ? v.toFixed(0) + unit : "none");
    summary.textContent = errors.map(([r, e]) => `${data.results[r]}: ${shown(mean(e), " mm")}`).join("; ");
    cells.forEach((cell, j) => (cell.textContent = errors.map(([, e]) => shown(e[j])).join(" / ")));
  };

  // --- controls
  const canvas = (label) => make("canvas", { tabIndex: 0, role: "img", ariaLabel: label });
  const camera = canvas("The camera's view"), above = canvas("A view that turns; arrow keys turn it, plus and minus change its size");
  const scrub = make("input", { type: "range", min: 0, ariaLabel: "Frame" }), where = make("span", { className: "where" });
  const summary = make("p", { className: "summary" }), title = make("p", { className: "title" });
  title.setAttribute("aria-live", "polite");
  const legend = make("p", { className: "note" });
  const cells = data.joints.map(() => make("b"));
  const list = make("ul", { className: "joints" }, ...data.joints.map((name, j) => make("li", {}, make("span", { textContent: name }), cells[j])));
  const button = (text, action) => {
    const made = make("button", { type: "button", textContent: text });
    made.addEventListener("click", action);
    return made;
  };
  const stop = () => {
    clearInterval(state.timer);
    state.timer = 0;
    play.textContent = still.matches ? "Next frame" : "Play";
  };
  const step = (by) => {
    state.frame = (state.frame + by + now.count) % now.count;
    draw();
  };
  const play = button("Play", () => {
    if (still.matches) return step(1);
    if (state.timer) return stop();
    play.textContent = "Pause";
    state.timer = setInterval(() => step(1), 1000 / Math.min(60, Math.max(1, now.fps)));
  });
  const look = (turn, tilt) => () => {
    [state.turn, state.tilt, state.zoom] = [turn, tilt, 1];
    draw();
  };
  const colour = button("Colour by error", () => {
    state.error = !state.error;
    colour.setAttribute("aria-pressed", state.error);
    draw();
  });
  colour.setAttribute("aria-pressed", false);
  const boxes = data.results.map((name, r) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      state.shown[box.checked ? "add" : "delete"](r);
      draw();
    });
    return [box, make("label", {}, box, make("span", { className: `swatch p-r${r % 8}` }), name)];
  });
  const open = (number) => {
    stop();
    load(number);
    Object.assign(state, { window: number, frame: now.at });
    if (!state.shown.size || data.results.length > 1) state.shown = new Set([now.chosen]);
    boxes.forEach(([box], r) => {
      box.checked = state.shown.has(r);
      box.disabled = !now.predicted[r];
    });
    scrub.max = now.count - 1;
    title.textContent = `${now.clip}, ${now.action}: ${now.kind}${data.results.length > 1 ? ` of ${data.results[now.chosen]}` : ""} (${number + 1} of ${data.windows.length})`;
    openers.forEach((opener, i) => opener.setAttribute("aria-pressed", i === number));
    draw();
  };
  scrub.addEventListener("input", () => {
    stop();
    state.frame = Number(scrub.value);
    draw();
  });
  above.addEventListener("pointerdown", (down) => {
    const [turn, tilt] = [state.turn, state.tilt];
    above.setPointerCapture(down.pointerId);
    above.onpointermove = (move) => {
      state.turn = turn - (move.clientX - down.clientX) / 2;
      state.tilt = Math.max(-90, Math.min(90, tilt + (move.clientY - down.clientY) / 2));
      draw();
    };
    above.onpointerup = above.onpointercancel = () => (above.onpointermove = null);
  });
  const size = (factor) => {
    state.zoom = Math.max(0.5, Math.min(6, state.zoom * factor));
    draw();
  };
  above.addEventListener("wheel", (event) => {
    event.preventDefault();
    size(Math.exp(-event.deltaY / 500));
  });
  home.addEventListener("keydown", (event) => {
    if (!(event.target instanceof HTMLCanvasElement)) return;
    const turn = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
    const action = { " ": () => play.click(), ",": () => step(-1), ".": () => step(1), "+": () => size(1.2), "-": () => size(1 / 1.2) }[event.key];
    if (turn) [state.turn, state.tilt] = [state.turn + turn[0], Math.max(-90, Math.min(90, state.tilt + turn[1]))];
    else if (action) action();
    else return;
    event.preventDefault();
    draw();
  });
  const openers = [...document.querySelectorAll("[data-window]")].map((figure, number) => {
    const opener = button("Open", () => {
      open(number);
      home.scrollIntoView({ block: "nearest" });
    });
    opener.setAttribute("aria-label", `Open ${data.windows[number].clip}, ${data.windows[number].kind}`);
    figure.append(opener);
    return opener;
  });
  home.append(
    title,
    make("div", { className: "panes" }, make("div", {}, make("p", { className: "note", textContent: "Camera view" }), camera), make("div", {}, make("p", { className: "note", textContent: "From above; drag to turn" }), above)),
    make("div", { className: "controls" }, play, scrub, where),
    make("div", { className: "controls" }, button("From above", look(0, 90)), button("From the side", look(90, 0)), button("As the camera", look(0, 0)), colour),
    ...(boxes.length > 1 ? [make("div", { className: "controls" }, ...boxes.map(([, label]) => label))] : []),
    summary, list, legend,
  );
  home.hidden = false;
  readColours();
  document.addEventListener("themechange", () => (readColours(), draw()));
  new ResizeObserver(() => now && draw()).observe(above);
  open(0);
})();
