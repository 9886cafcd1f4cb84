"use strict";
// Poses in motion: the camera's view beside a view that turns.
(() => {
  const data = JSON.parse(document.getElementById("motion-data").textContent), home = document.getElementById("figure");
  const still = matchMedia("(prefers-reduced-motion: reduce)"), J = data.joints;
  const make = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const state = { clip: 0, at: 0, turn: 50, tilt: 15, zoom: 1, timer: 0 };
  let poses;
  const load = (number) => {
    const bytes = Uint8Array.from(atob(data.clips[number].poses), (c) => c.charCodeAt(0));
    poses = Float32Array.from(new Int16Array(bytes.buffer), (v) => (v === -32768 ? NaN : v));
    [state.clip, state.at] = [number, 0];
    scrub.max = data.clips[number].frames.length - 1;
    draw();
  };
  const draw = () => {
    const clip = data.clips[state.clip], style = getComputedStyle(document.documentElement);
    const colours = ["--middle", "--left", "--right"].map((name) => style.getPropertyValue(name));
    for (const [canvas, turn, tilt, zoom] of [[front, 0, 0, 1], [around, state.turn, state.tilt, state.zoom]]) {
      const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1, side = Math.max(1, Math.round(box.width * ratio));
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const pen = canvas.getContext("2d"), middle = box.width / 2, scale = (middle * zoom) / clip.reach;
      const [a, e] = [turn, tilt].map((v) => (v * Math.PI) / 180);
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, box.width, box.width);
      [pen.lineCap, pen.lineWidth] = ["round", 4];
      const place = (joint) => {
        const [x, y, z] = poses.subarray(3 * (state.at * J + joint), 3 * (state.at * J + joint) + 3);
        const across = Math.cos(a) * x + Math.sin(a) * z, away = Math.cos(a) * z - Math.sin(a) * x;
        return [middle + across * scale, middle + (Math.cos(e) * y - Math.sin(e) * away) * scale];
      };
      for (const [parent, child, which] of data.bones) {
        const ends = [place(parent), place(child)];
        if (!ends.flat().every(Number.isFinite)) continue;
        pen.strokeStyle = colours[which];
        pen.beginPath();
        pen.moveTo(...ends[0]);
        pen.lineTo(...ends[1]);
        pen.stroke();
      }
    }
    scrub.value = state.at;
    where.textContent = `frame ${clip.frames[state.at]}`;
  };
  const stop = () => {
    clearInterval(state.timer);
    state.timer = 0;
    play.textContent = still.matches ? "Next frame" : "Play";
  };
  const step = (by) => {
    const count = data.clips[state.clip].frames.length;
    state.at = (state.at + by + count) % count;
    draw();
  };
  const button = (textContent, action) => {
    const made = make("button", { type: "button", textContent });
    made.addEventListener("click", action);
    return made;
  };
  const canvas = (label) => make("canvas", { tabIndex: 0, role: "img", ariaLabel: label });
  const front = canvas("The camera's view"), around = canvas("A view that turns; arrow keys turn it, plus and minus change its size");
  const scrub = make("input", { type: "range", min: 0, ariaLabel: "Frame" }), where = make("span", {});
  const play = button("Play", () => {
    if (still.matches) return step(1);
    if (state.timer) return stop();
    play.textContent = "Pause";
    state.timer = setInterval(() => step(1), 1000 / Math.min(60, Math.max(1, data.fps)));
  });
  const look = (turn, tilt) => () => {
    [state.turn, state.tilt, state.zoom] = [turn, tilt, 1];
    draw();
  };
  const people = make("select", { ariaLabel: "Clip" }, ...data.clips.map((clip, value) => make("option", { value, textContent: clip.id })));
  people.addEventListener("change", () => (stop(), load(Number(people.value))));
  scrub.addEventListener("input", () => {
    stop();
    state.at = Number(scrub.value);
    draw();
  });
  const size = (factor) => {
    state.zoom = Math.max(0.5, Math.min(6, state.zoom * factor));
    draw();
  };
  around.addEventListener("pointerdown", (down) => {
    const [turn, tilt] = [state.turn, state.tilt];
    around.setPointerCapture(down.pointerId);
    around.onpointermove = (move) => {
      state.turn = turn - (move.clientX - down.clientX) / 2;
      state.tilt = Math.max(-90, Math.min(90, tilt + (move.clientY - down.clientY) / 2));
      draw();
    };
    around.onpointerup = around.onpointercancel = () => (around.onpointermove = null);
  });
  around.addEventListener("wheel", (event) => (event.preventDefault(), size(Math.exp(-event.deltaY / 500))));
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
  home.append(
    make("div", { className: "panes" }, make("div", {}, make("p", { textContent: "Camera view" }), front), make("div", {}, make("p", { textContent: "Drag to turn" }), around)),
    make("div", { className: "controls" }, play, scrub, where),
    make("div", { className: "controls" }, ...(data.clips.length > 1 ? [people] : []), button("From the side", look(90, 0)), button("From above", look(0, 90)), button("As the camera", look(0, 0))),
  );
  new ResizeObserver(() => poses && draw()).observe(around);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  stop();
  load(0);
})();
