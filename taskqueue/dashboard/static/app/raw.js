/** JSON as the service has sent it: a number of JavaScript has 53 bits, and knows no `1.0`.

What users have stored is shown, copied and sent back as this text, and never as a parsed value.
*/

const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const texts = new WeakMap();

/** Return the value of an answer. What it was parsed from is kept, as long as there is the value. */
export function parsed(text) {
  const value = JSON.parse(text);
  remember(value, text);
  const list = text.includes('"progress"') && ["tasks", "running"].find((name) => Array.isArray(value[name]));
  if (list) for (const [i, item] of parts(raw(value, list))) remember(value[list][i], item);
  return value;
}

function remember(value, text) {
  if (typeof value === "object" && value !== null) texts.set(value, text);
}

/** Return the text of what is at these names and indices of a value from `parsed`; undefined if nothing is. */
export function raw(value, ...path) {
  return path.reduce((text, name) => (text === undefined ? text : new Map(parts(text)).get(name)), texts.get(value));
}

/** Yield the members of an object by name, or the elements of an array by index, each as text. */
export function* parts(text) {
  let depth = 0, from = null, until = 0, name = null, index = 0, isList = false;
  for (const { 0: token, index: at } of text.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (depth === 0 && !closes) isList = token === "[";
    else if ((depth === 0 && closes) || (depth === 1 && token === ",")) {
      if (from !== null) yield [isList ? index++ : name, text.slice(from, until)];
      from = name = null;
    } else if (depth === 1 && from === null && !isList && name === null) name = JSON.parse(token);
    else if (depth > 1 || token !== ":") from ??= at;
    if (token === "{" || token === "[") depth += 1;
    until = at + token.length;
  }
}

/** Indent a text of JSON, and leave each of its values as it is written. */
export function pretty(text) {
  const written = [];
  let depth = 0, before = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(TOKEN)) {
    const isFirst = before === "{" || before === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      written.push(isFirst ? token : line() + token);
    } else {
      if (isFirst || before === ",") written.push(line());
      written.push(token === ":" ? ": " : token);
    }
    if (token === "{" || token === "[") depth += 1;
    before = token;
  }
  return written.join("");
}

/** Return a text that is JSON, unparsed. Throws a SyntaxError if it is none. */
export function checked(text) {
  JSON.parse(text);
  return text;
}

/** Return the text of an object: `fields` are values, `written` are texts of JSON. */
export function objectText(fields, written) {
  const values = Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]);
  const members = [...values, ...Object.entries(written)].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  return `{${members.join(",")}}`;
}

/** Return the data of a task, as lines of text. */
export const dataOf = (task) => pretty(raw(task, "payload", "data") ?? "{}");
