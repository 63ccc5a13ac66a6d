/** The markup of messages. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parse, withoutMarkup } from "./format.js";

/** The tree in a short notation: b(...), i(...), s(...), q(...), c:code, B:block, @user, [link]. */
function notation(nodes) {
  const names = { bold: "b", italic: "i", strike: "s", quote: "q" };
  return nodes
    .map((node) => {
      if (node.children) {
        return `${names[node.type]}(${notation(node.children)})`;
      }
      const prefix = { code: "c:", block: "B:", mention: "m:", link: "l:" }[node.type] ?? "";
      return prefix ? `<${prefix}${node.text}>` : node.text;
    })
    .join("");
}
const shown = (text, mentions) => notation(parse(text, mentions));

test("markers around words style them, alone they are text", () => {
  assert.equal(shown("*bold* _italic_ ~gone~ `code`"), "b(bold) i(italic) s(gone) <c:code>");
  assert.equal(shown("_*both*_ *_a_ b*"), "i(b(both)) b(i(a) b)");
  assert.equal(shown("2*3*4 snake_case_name ~ * a* *a *"), "2*3*4 snake_case_name ~ * a* *a *");
  assert.equal(shown("*over\nlines*"), "*over\nlines*");
  assert.equal(shown("**"), "**");
  assert.equal(shown("(*x*), *y*!"), "(b(x)), b(y)!");
});

test("nothing counts inside code", () => {
  assert.equal(shown("`*a* http://x.example`"), "<c:*a* http://x.example>");
  assert.equal(shown("before\n```\n*a*\n> b\n```\nafter"), "before<B:*a*\n> b>after");
  assert.equal(shown("```one``` ```two"), "<B:one> ```two");
  assert.equal(shown("``` ```"), "<B: >");
});

test("lines after > are quotes", () => {
  assert.equal(shown("> one\n> *two*\nrest"), "q(one\nb(two))rest");
  assert.equal(shown("a\n> b"), "aq(b)");
  assert.equal(shown("a > b"), "a > b");
});

test("links keep their underscores, and only those to the web and to mail are links", () => {
  assert.equal(shown("_see http://x.example/a_b_c now_"), "i(see <l:http://x.example/a_b_c> now)");
  assert.equal(shown("mailto:a@b.example"), "<l:mailto:a@b.example>");
  assert.equal(shown("javascript:alert(1) mailto:nobody data:x"), "javascript:alert(1) mailto:nobody data:x");
});

test("only those who are mentioned are highlighted", () => {
  assert.equal(shown("@ben, @cora and a@ben", ["ben"]), "<m:@ben>, @cora and a@ben");
  assert.equal(shown("*@ben.* @ben_x", ["ben"]), "b(<m:@ben>.) @ben_x");
});

test("without markup the words remain", () => {
  assert.equal(withoutMarkup("> *Hello*\n```x\ny```  _you_"), "Hello x y you");
});

/** What the text says, markers left out, as a reader of the tree finds it. */
const said = (nodes) => nodes.map((node) => (node.children ? said(node.children) : node.text)).join("");

test("whatever is written, nothing of it is lost but markers, and time stays small", () => {
  let state = 7;
  const random = (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pieces = ["*", "_", "~", "`", "```", ">", "> ", "\n", " ", "a", "é", "👍", "@ben", "<b>", "http://x.example/_", "\u202e", "&lt;"];
  for (let run = 0; run < 3000; run += 1) {
    const text = Array.from({ length: 1 + random(24) }, () => pieces[random(pieces.length)]).join("");
    const rest = said(parse(text, ["ben"]));
    const letters = (of) => of.replace(/[*_~`>\s]/gu, "");
    assert.equal(letters(rest), letters(text), JSON.stringify(text));
  }
  for (const hostile of ["*a ", "_*~", "`", "```", "> ", "@ben", "*_~a~_*", "a*"]) {
    const text = hostile.repeat(16_384 / hostile.length);
    const began = performance.now();
    parse(text, ["ben"]);
    assert.ok(performance.now() - began < 500, `${hostile} took ${performance.now() - began} ms`);
  }
});
