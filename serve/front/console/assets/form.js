// The form of one model: fields made from its signature, filled with its example, a row at a time; or the body as JSON.

import { body, draft, reread } from "./body.js";
import { h } from "./dom.js";
import { pretty } from "./json.js";
import { kind } from "./models.js";
import { ceiling, paintable, painting, picture, pictured, read } from "./picture.js";

const SHORT = 120; // characters of a tensor that need little room

/** A form; `changed` is called as its body changes. */
export class Form {
  constructor(name, signature, example, changed) {
    Object.assign(this, { name, signature, example, changed, asText: false });
    this.node = h("div", { class: "fields" });
    this.reset();
  }

  /** Begin anew, with the example. */
  reset() {
    this.draft = draft(this.signature, this.example);
    this.row = 0;
    if (this.draft.kind === "text") this.asText = true;
    else if (this.asText) this.draft.text = pretty(this.draft.text);
    this.touched = false;
    this.render();
  }

  /** Another release may have another example: it stands here, unless somebody has typed. */
  follow(example) {
    if (JSON.stringify(example) === JSON.stringify(this.example)) return;
    this.example = example;
    if (!this.touched && draft(this.signature, example).kind === this.draft.kind) this.reset();
  }

  /** Something was typed, painted, added or removed. */
  change() {
    this.touched = true;
    this.changed();
  }

  /** The body to send; `SyntaxError` where a field that holds JSON holds none. */
  get body() {
    return this.asText ? this.draft.text : body(this.draft);
  }

  /** Show the other of fields and JSON; the reason where what is there can't be shown as the other. */
  turn(asText) {
    try {
      if (asText) this.draft.text = pretty(body(this.draft));
      else this.draft = reread(this.draft.text, this.signature) ?? refuse();
    } catch (error) {
      return error.message;
    }
    this.row = Math.min(this.row, Math.max(0, this.draft.rows.length - 1));
    this.asText = asText;
    this.render();
    return "";
  }

  render() {
    const { draft: one } = this;
    this.node.replaceChildren(
      ...(this.asText
        ? [this.text()]
        : [this.pager(), one.kind === "columns" ? this.columns() : this.tensors(), this.params()]
      ).filter(Boolean),
    );
    this.changed();
  }

  text() {
    const id = `${this.name}-json`;
    const area = h("textarea", {
      id,
      class: "code",
      rows: "16",
      spellcheck: "false",
      oninput: () => ((this.draft.text = area.value), this.change()),
    });
    area.value = this.draft.text;
    return h("div", { class: "field wide" }, h("label", { for: id }, "Body"), area);
  }

  pager() {
    const { rows, whole } = this.draft;
    if (whole) return null;
    const step = (by) => this.go(this.row + by);
    return h(
      "div",
      { class: "pager", role: "group", "aria-label": "Rows" },
      h("span", { "aria-live": "polite" }, rows.length === 1 ? "1 row" : `Row ${this.row + 1} of ${rows.length}`),
      h(
        "button",
        {
          type: "button",
          class: "small",
          "aria-label": "Row before",
          disabled: this.row === 0,
          onclick: () => step(-1),
        },
        "‹",
      ),
      h(
        "button",
        {
          type: "button",
          class: "small",
          "aria-label": "Next row",
          disabled: this.row === rows.length - 1,
          onclick: () => step(1),
        },
        "›",
      ),
      h("button", { type: "button", class: "small", onclick: () => this.add() }, "Add a row"),
      rows.length > 1 ? h("button", { type: "button", class: "small", onclick: () => this.remove() }, "Remove") : null,
    );
  }

  go(row) {
    this.row = row;
    this.render();
    this.node.querySelector(".pager button:not(:disabled)")?.focus();
  }

  add() {
    this.draft.rows.splice(this.row + 1, 0, [...this.draft.rows[this.row]]);
    this.touched = true;
    this.go(this.row + 1);
  }

  remove() {
    this.draft.rows.splice(this.row, 1);
    this.touched = true;
    this.go(Math.max(0, this.row - 1));
  }

  columns() {
    const row = this.draft.rows[this.row];
    return h(
      "div",
      { class: "grid" },
      this.draft.inputs.map((field, at) =>
        this.field(field, `in-${at}`, row[at], (text) => (row[at] = text), { "data-column": field.name }),
      ),
    );
  }

  params() {
    const { specs, params } = this.draft;
    if (specs.length === 0) return null;
    const fields = specs.map((one) =>
      this.field(one, `param-${one.name}`, params[one.name], (text) => (params[one.name] = text), {
        "data-param": one.name,
      }),
    );
    return h("fieldset", { class: "params" }, h("legend", {}, "Params"), h("div", { class: "grid" }, fields));
  }

  field(field, at, value, take, named) {
    const id = `${this.name}-${at}`;
    const input = entry(field, { id, ...named }, value.includes("\n"));
    input.value = value;
    input.addEventListener("input", () => {
      take(input.value);
      input.removeAttribute("aria-invalid");
      this.change();
    });
    const type = field.shape ? `list of ${field.type}` : field.type;
    return h(
      "div",
      { class: input.tagName === "TEXTAREA" ? "field wide" : "field" },
      h(
        "label",
        { for: id },
        h("span", { title: field.name }, h("bdi", {}, field.name)),
        h("span", { class: "type" }, `${type}${field.required === false ? ", optional" : ""}`),
      ),
      input,
    );
  }

  tensors() {
    return h(
      "div",
      { class: "tensors" },
      this.draft.inputs.map((field, at) => this.tensor(field, at)),
    );
  }

  tensor(field, at) {
    const { rows, whole } = this.draft;
    const id = `${this.name}-in-${at}`;
    const area = h("textarea", { id, class: "code", spellcheck: "false", "data-tensor": field.name ?? "" });
    area.value = rows[this.row][at];
    const form = pictured(field, whole);
    area.rows = form || area.value.length > SHORT ? 6 : 2;
    const top = form ? ceiling(this.numbers(at), field.dtype) : 1;
    const drawn = form
      ? this.drawn(form, top, at, (text) => ((rows[this.row][at] = text), (area.value = text), this.change()))
      : null;
    area.addEventListener("input", () => {
      rows[this.row][at] = area.value;
      drawn?.show();
      area.removeAttribute("aria-invalid");
      this.change();
    });
    const label = h(
      "label",
      { for: id },
      h("span", {}, field.name ?? "inputs"),
      h("span", { class: "type" }, kind(field)),
    );
    return h(
      "div",
      { class: "field wide tensor" },
      label,
      drawn?.node,
      h("div", { class: "numbers" }, area, drawn ? this.fromFile(form, top, rows, at) : null),
    );
  }

  numbers(at) {
    return [
      ...this.draft.rows.map((row) => row[at]),
      ...draft(this.signature, this.example).rows.map((row) => row[at]),
    ].map((text) => values(text) ?? []);
  }

  drawn(form, top, at, take) {
    const shape = [form.height, form.width];
    let shown = values(this.draft.rows[this.row][at]);
    const now = () => {
      const found = values(this.draft.rows[this.row][at]);
      if (Array.isArray(found) && found.flat(Infinity).length === form.height * form.width * form.channels)
        shown = found;
      return shown;
    };
    const label = `${shape.join(" by ")} picture of row ${this.row + 1}`;
    if (paintable(form)) return painting(form, top, now, (cells) => take(lines(cells)), label);
    const canvas = picture(form, now(), top, label);
    return { node: canvas, show: () => canvas.replaceWith(picture(form, now(), top, label)) };
  }

  fromFile(form, top, rows, at) {
    const take = async (event) => {
      const [file] = event.target.files;
      if (!file) return;
      const row = rows[this.row];
      row[at] = lines(await read(file, form, top));
      this.touched = true;
      this.render();
    };
    return h(
      "label",
      { class: "file" },
      "From an image file",
      h("input", { type: "file", accept: "image/*", class: "unseen-file", onchange: take }),
    );
  }

  /** Mark the fields that the server's flaws name, in the first row that has any. */
  mark(flaws) {
    const found = flaws.map(({ place }) => located(place));
    const first = found.find((one) => one.kind === "column");
    if (first && !this.asText && first.row !== this.row && first.row < this.draft.rows.length) this.go(first.row);
    for (const { kind, row, name } of found)
      for (const one of this.node.querySelectorAll(`[data-${kind}]`))
        if ((row ?? this.row) === this.row && isWithin(name, one.dataset[kind]))
          one.setAttribute("aria-invalid", "true");
    this.node.querySelector("[aria-invalid]")?.focus();
  }
}

/** What a flaw's place, such as "inputs[3].mean_area", is of: a column in a row, a param or a tensor. */
function located(place) {
  const [, row, column] = /^[a-z_]+(?:\.data)?\[(\d+)\]\.(.*)$/s.exec(place) ?? [];
  if (row !== undefined) return { kind: "column", row: Number(row), name: column };
  const [, param] = /^params\.(.*)$/s.exec(place) ?? [];
  return param !== undefined
    ? { kind: "param", name: param }
    : { kind: "tensor", name: place.replace(/^(inputs|instances)\.?/, "") };
}

/** Whether it is the place of the field of that name, or of something in it. */
function isWithin(place, name) {
  return name === "" || place === name || place.startsWith(`${name}.`) || place.startsWith(`${name}[`);
}

function entry({ type, required, shape }, attributes, isLong) {
  if (type === "boolean" && !shape)
    return h(
      "select",
      attributes,
      ["true", "false", ...(required === false ? [""] : [])].map((one) =>
        h("option", { value: one }, one === "" ? "missing" : one),
      ),
    );
  const numeric = ["integer", "long", "float", "double"].includes(type);
  if (isLong || shape || /^(Array|Map|Object|Any)/.test(type))
    return h("textarea", { ...attributes, class: "code", rows: "2", spellcheck: "false" });
  return h("input", {
    ...attributes,
    type: "text",
    inputmode: numeric ? "decimal" : null,
    class: numeric ? "number" : null,
    autocomplete: "off",
    spellcheck: "false",
  });
}

function refuse() {
  throw new Error("This body has no rows that fit the form’s fields.");
}

/** What JSON says; null where it is none. */
export function values(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Nested lists as text: the innermost a line each. */
function lines(cells) {
  if (!Array.isArray(cells[0])) return JSON.stringify(cells);
  return `[${cells.map(lines).join(",\n ")}]`;
}
