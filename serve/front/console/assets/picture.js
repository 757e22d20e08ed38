// Tensors that are pictures, drawn; and those small enough, painted by hand: with a pointer, or with the arrow keys and
// the space bar.

import { h } from "./dom.js";

const LARGEST = 512; // cells to a side
const PAINTABLE = 40;

/** How a tensor's row is a picture: its size, and whether channels come `first` or `last`; null where it is none. */
export function pictured(field, whole = false) {
  if (field.type !== "tensor" || !/^[<|>=]?[fiu]/.test(field.dtype)) return null;
  const shape = whole ? field.shape : field.shape.slice(1);
  const sided = (size) => size >= 4 && size <= LARGEST;
  if (shape.length === 2 && shape.every(sided))
    return { height: shape[0], width: shape[1], channels: 1, first: false, last: false };
  if (shape.length !== 3) return null;
  const [a, b, c] = shape;
  if (sided(a) && sided(b) && [1, 3, 4].includes(c))
    return { height: a, width: b, channels: c, first: false, last: true };
  if ([1, 3, 4].includes(a) && sided(b) && sided(c))
    return { height: b, width: c, channels: a, first: true, last: false };
  return null;
}

/** The values of a picture as they are in the model's inputs, flat, and the place of each cell's channel in them. */
function flat(values) {
  return values.flat(Infinity);
}

function place({ height, width, channels, first }, row, column, channel) {
  return first ? (channel * height + row) * width + column : (row * width + column) * channels + channel;
}

/** The most that a cell of these pictures holds; what nothing exceeds is taken for 1, or 255 of bytes. */
export function ceiling(rows, dtype) {
  const most = rows.reduce(
    (found, one) => flat(one).reduce((high, cell) => Math.max(high, Number(cell) || 0), found),
    0,
  );
  return most > 0 ? most : /u1/.test(dtype) ? 255 : 1;
}

/** Draw `values`, nested lists, on a canvas, one pixel a cell. */
export function draw(canvas, form, values, top) {
  canvas.width = form.width;
  canvas.height = form.height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(form.width, form.height);
  const cells = flat(values);
  for (let row = 0; row < form.height; row += 1) {
    for (let column = 0; column < form.width; column += 1) {
      const at = (row * form.width + column) * 4;
      for (let colour = 0; colour < 3; colour += 1)
        image.data[at + colour] = (255 * Number(cells[place(form, row, column, form.channels < 3 ? 0 : colour)])) / top;
      image.data[at + 3] = form.channels === 4 ? (255 * Number(cells[place(form, row, column, 3)])) / top : 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** A picture that is only looked at. */
export function picture(form, values, top, label) {
  const canvas = h("canvas", { class: "picture", role: "img", "aria-label": label });
  draw(canvas, form, values, top);
  return canvas;
}

/** Whether it can be painted by hand. */
export function paintable({ height, width, channels }) {
  return channels === 1 && height <= PAINTABLE && width <= PAINTABLE;
}

/**
 * A picture to paint: `values` are read through `get` and given back through `set`, in nested lists.
 *
 * What is pressed first says whether a stroke paints or wipes.
 */
export function painting(form, top, get, set, label) {
  const canvas = h("canvas", {
    class: "picture paint",
    tabindex: "0",
    role: "application",
    "aria-label": `${label}. Arrow keys move, space paints or wipes, delete clears all.`,
  });
  const where = h("span", { class: "unseen", role: "status", "aria-live": "polite" });
  const spot = { row: Math.floor(form.height / 2), column: Math.floor(form.width / 2), brush: null };
  const cursor = h("canvas", { class: "picture cursor", "aria-hidden": "true" });
  const show = () => {
    draw(canvas, form, get(), top);
    mark(cursor, form, spot);
  };
  const paint = (row, column, value) => {
    const cells = flat(get());
    cells[place(form, row, column, 0)] = value;
    set(nested(form, cells));
    show();
  };
  const value = (row, column) => Number(flat(get())[place(form, row, column, 0)]);
  listen(canvas, form, spot, {
    paint,
    value,
    top,
    show,
    where,
    clear: () => (set(nested(form, new Array(form.height * form.width).fill(0))), show()),
  });
  show();
  return { node: h("div", { class: "easel" }, canvas, cursor, where), show };
}

function nested(form, cells) {
  const rows = Array.from({ length: form.height }, (_, row) =>
    Array.from({ length: form.width }, (__, column) => cells[row * form.width + column]),
  );
  return form.first ? [rows] : form.last ? rows.map((row) => row.map((cell) => [cell])) : rows;
}

function mark(cursor, form, spot) {
  cursor.width = form.width * 8;
  cursor.height = form.height * 8;
  const context = cursor.getContext("2d");
  context.strokeStyle = "#ff8a00";
  context.lineWidth = 1.5;
  context.strokeRect(spot.column * 8 + 1, spot.row * 8 + 1, 6, 6);
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function listen(canvas, form, spot, { paint, value, top, show, where, clear }) {
  const inside = (at, size) => Math.min(size - 1, Math.max(0, at));
  const toggled = (row, column) => (value(row, column) > top / 2 ? 0 : top);
  const cell = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      inside(Math.floor(((event.clientY - box.top) / box.height) * form.height), form.height),
      inside(Math.floor(((event.clientX - box.left) / box.width) * form.width), form.width),
    ];
  };
  const stroke = (event) => {
    const [row, column] = cell(event);
    Object.assign(spot, { row, column });
    paint(row, column, spot.brush);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    spot.brush = toggled(...cell(event));
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => spot.brush !== null && stroke(event));
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (spot.brush = null));
  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (move)
      Object.assign(spot, {
        row: inside(spot.row + move[0], form.height),
        column: inside(spot.column + move[1], form.width),
      });
    else if (event.key === " ") paint(spot.row, spot.column, toggled(spot.row, spot.column));
    else if (event.key === "Delete") clear();
    else return;
    event.preventDefault();
    show();
    where.textContent = `row ${spot.row + 1}, column ${spot.column + 1}: ${value(spot.row, spot.column)}`;
  });
}

/** The values of an image file, as large and as bright as the model's pictures are. */
export async function read(file, form, top) {
  const bitmap = await createImageBitmap(file, {
    resizeWidth: form.width,
    resizeHeight: form.height,
    resizeQuality: "high",
  });
  const canvas = h("canvas", { width: String(form.width), height: String(form.height) });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, form.width, form.height);
  const scaled = (cell) =>
    top > 1 && Number.isInteger(top) ? Math.round((cell / 255) * top) : Number(((cell / 255) * top).toFixed(4));
  const cell = (row, column, channel) => {
    const at = (row * form.width + column) * 4;
    return scaled(
      form.channels === 1 ? 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2] : data[at + channel],
    );
  };
  const grid = (of) =>
    Array.from({ length: form.height }, (_, row) =>
      Array.from({ length: form.width }, (__, column) => of(row, column)),
    );
  const channels = Array.from({ length: form.channels }, (_, channel) => channel);
  if (form.first) return channels.map((channel) => grid((row, column) => cell(row, column, channel)));
  return form.last || form.channels > 1
    ? grid((row, column) => channels.map((channel) => cell(row, column, channel)))
    : grid((row, column) => cell(row, column, 0));
}
