// JSON as it is written: JavaScript rounds long numbers, and takes 1.0 for 1, which some types of MLflow do not. Where a
// browser can't tell what a number was written as, it is as JavaScript has it. Pure.

/** What JSON says, with whole numbers that JavaScript would round as texts. */
export function exact(text) {
  return /\d{16}/.test(text) ? JSON.parse(text, unrounded) : JSON.parse(text);
}

function unrounded(_, value, context) {
  const rounded = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
  return rounded && /^-?\d+$/.test(context?.source ?? "") ? context.source : value;
}

/** What JSON says, with numbers that `JSON.stringify` writes as they were. */
export function kept(text) {
  return JSON.rawJSON ? JSON.parse(text, raw) : JSON.parse(text);
}

function raw(_, value, context) {
  return typeof value === "number" && String(value) !== context.source ? JSON.rawJSON(context.source) : value;
}

/** Whether it is a number that `kept` has kept. */
export function isKept(value) {
  return JSON.isRawJSON?.(value) ?? false;
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g;

/** JSON with line breaks, but not within lists of plain values, and every digit as it was. */
export function pretty(text) {
  const tokens = text.match(TOKENS) ?? [];
  let [made, depth] = ["", 0];
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < tokens.length; at += 1) {
    const one = tokens[at];
    if (one === "[" || one === "{") {
      let end = at + 1;
      while (end < tokens.length && !/^[[\]{}]$/.test(tokens[end])) end += 1;
      if (one === "[" ? tokens[end] === "]" : tokens[end] === "}" && end === at + 1) {
        made += tokens
          .slice(at, end + 1)
          .map((each) => (each === "," ? ", " : each))
          .join("");
        at = end;
      } else {
        depth += 1;
        made += one + line();
      }
    } else if (one === "]" || one === "}") {
      depth = Math.max(0, depth - 1);
      made += line() + one;
    } else made += one === "," ? one + line() : one === ":" ? ": " : one;
  }
  return made;
}
