"""The console's modules, each asked in a real browser for what it makes of data, with no server of models."""

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from importlib.resources import files

import pytest

from tests.e2e import browser
from tests.e2e.browser import Browser

pytestmark = pytest.mark.skipif(not browser.INSTALLED, reason="chromium and chromium-driver are not installed")

# Numbers as Prometheus's own documents have them: what the page makes of them, asked of its own modules.
METRICS = r"""
const done = arguments[arguments.length - 1];
import(`/metrics.js`).then(({parse, quantile, since, reading}) => {
  const text = ['# HELP a b', 'a_total{model="x\\"y\\n",outcome="ok"} 3.0', 'b_bucket{le="+Inf"} 4'].join('\n');
  const one = {sum: 9, count: 10, buckets: {'0.1': 2, '0.5': 8, '+Inf': 10}};
  done({
    labels: parse(text).get('a_total')[0],
    infinite: parse(text).get('b_bucket')[0],
    median: quantile(one, 0.5), highest: quantile(one, 0.99), none: quantile({sum: 0, count: 0, buckets: {}}, 0.5),
    later: since({sum: 12, count: 12, buckets: {'0.1': 3, '0.5': 9, '+Inf': 12}}, one),
    anew: since({sum: 1, count: 1, buckets: {'0.1': 1, '0.5': 1, '+Inf': 1}}, one),
  });
});
"""
BODY = r"""
const done = arguments[arguments.length - 1];
const from = (name) => import(`/${name}.js`);
Promise.all([from('body'), from('json')]).then(([{draft, body, curl, reread}, {kept, pretty, exact}]) => {
  const inputs = [{name: 'n', type: 'long', required: true}, {name: 's', type: 'string', required: false},
                  {name: 'a', type: 'Array(double)', required: true}, {name: 'b', type: 'boolean', required: true}];
  const params = [{name: 't', type: 'double', default: 0.5, shape: null}];
  const one = draft({inputs, params}, {dataframe_split: {columns: ['n', 's', 'a', 'b'], data: [[1, 'x', [1], true]]}});
  one.rows[0][0] = '9007199254740993';
  one.rows[0][1] = '';
  const image = {name: null, type: 'tensor', dtype: '<f4', shape: [-1, 2, 2]};
  done({
    exact: body(one),
    zeros: body(draft({inputs: [image], params: []}, null)),
    named: body(draft({inputs: [{...image, name: 'i'}], params: []}, {inputs: {i: [[[1, 2], [3, 4]]]}})),
    records: body(draft({inputs: [inputs[0]], params: []}, {inputs: [{n: 1}, {n: 2}]})),
    free: draft({inputs: [], params: []}, {messages: []}).kind,
    quoted: curl('http://x', "{\"a\": \"it's\"}", true),
    long: curl('http://x', `{"a": "${'x'.repeat(200_000)}"}`, false),
    written: body(draft({inputs: [inputs[2]], params: []}, kept('{"inputs": [{"a": [1.0, 12345678901234567890]}]}'))),
    reread: body(reread('{"inputs": [{"a": [2.0]}]}', {inputs: [inputs[2]], params: []})),
    pretty: pretty('{"a": [[1.0, 2], ["x], [y"]], "b": {}, "c": []}'),
    integer: exact('[9007199254740993, 1]'),
  });
});
"""
ANSWERS = """
const done = arguments[arguments.length - 1];
import(`/answer.js`).then(({answered}) => {
  const rows = (count, make) => Array.from({length: count}, (_, at) => make(at));
  const deep = (value, depth) => depth ? {a: [deep(value, depth - 1)]} : value;
  const all = [
    [{a: 0.5, b: 0.5}, {a: null, b: 'x'}], rows(100000, (at) => ({at})),
    rows(2, () => Object.fromEntries(rows(300, (at) => [`c${at}`, at]))), rows(3, () => 'x'.repeat(100000)),
    [[0.5, null, 1]], [rows(100, (at) => at)], [[[1, 2], [3, 4]]], [1, {a: 1}, [2], null], deep(1, 200),
    rows(2, () => deep(1, 60)),
    {a: [1, 2], constructor: {b: {c: {d: {e: 1}}}}}, 'text', '', null, true, 0, [], {}, [[]], [{}],
    [{a: 1}, {constructor: 2}],
    Object.fromEntries(rows(5000, (at) => [at, at])), [[1e-320, 1e308, -5]],
  ].map((predictions) => ({predictions}));
  const shown = [...all, {choices: [{message: 'hello'}]}].map((json) => {
    const text = JSON.stringify(json);
    const found = answered({status: 200, ok: true, headers: new Headers(), text, json}, 1, [], []).flat(Infinity);
    const raw = found.filter(Boolean).at(-1);
    const drawn = found.filter((one) => one && one !== raw).slice(1);
    return {text: drawn.map((one) => one.textContent).join('') || (raw.open ? raw.textContent : ''), open: raw.open};
  });
  done(shown);
});
"""
FORM = """
const done = arguments[arguments.length - 1];
import(`/form.js`).then(({Form}) => {
  const field = (name, type) => ({name, type, required: true});
  const signature = {inputs: [field('x', 'long'), field('o', 'Object(a: long)')],
                     params: [{name: 't', type: 'long', default: 1, shape: null}]};
  const rows = (...xs) => ({inputs: xs.map((x) => ({x, o: {a: 1}}))});
  const form = new Form('m', signature, rows(1, 1), () => {});
  const typed = () => form.node.querySelector('[data-column=x]');
  form.follow(rows(2, 2));
  const found = {followed: typed().value};
  typed().value = '7';
  typed().dispatchEvent(new Event('input'));
  form.follow(rows(3, 3));
  found.typed = typed().value;
  form.mark([{place: 'dataframe_split.data[1].o.a'}, {place: 'params.t'}, {place: 'dataframe_split.data[1].x'}]);
  found.row = form.row;
  found.marked = [...form.node.querySelectorAll('[aria-invalid]')].map((one) => one.id);
  form.turn(true);
  form.reset();
  found.mode = [form.asText, form.body.slice(0, 24)];
  done(found);
});
"""
LAST = """
const done = arguments[arguments.length - 1];
import(`/verdict.js`).then(({showLast}) => {
  const date = new Date().toISOString();
  const made = (subject, digest) => ({revision: subject.repeat(9), subject, date, author: 'Ada',
                                      readable: digest !== null, models: digest ? {m: {digest}} : {}});
  const told = (releases, live, desired, more = false, attempts = []) => {
    const release = {commit: 'c'.repeat(40), date, signer: '', older_than_previous: false};
    showLast({models: {m: {since: date}}, live: {m: live}, desired: {m: desired}, release}, {releases, more}, attempts);
    return document.getElementById('last').textContent;
  };
  const releases = [made('new', 'b'), made('old', 'a')];
  done([told(releases, 'a', 'a'), told(releases, 'a', 'b'), told([made('broken', null), releases[1]], 'a', 'a'),
        told(releases, 'z', 'z', true),
        told(releases, 'b', 'b', false, [{models: {m: 'a'}, outcome: 'load_failed'}])]);
});
"""


class Files(http.server.SimpleHTTPRequestHandler):
    """The files as they are."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    handler = partial(Files, directory=str(files("serve.front.console") / "assets"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser.browser() as one:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            one.open(f"http://127.0.0.1:{server.server_port}/index.html")
            yield one
        finally:
            server.shutdown()
            serving.join()


def test_metrics_are_read_and_compared_as_prometheus_does(page: Browser) -> None:
    found = page.script_until_done(METRICS)
    assert found["labels"] == {"labels": {"model": 'x"y\n', "outcome": "ok"}, "value": 3}
    assert found["infinite"] == {"labels": {"le": "+Inf"}, "value": 4}
    assert (found["median"], found["highest"], found["none"]) == (pytest.approx(0.3), 0.5, None)
    assert found["later"] == {"sum": 3, "count": 2, "buckets": {"0.1": 1, "0.5": 1, "+Inf": 2}}
    assert found["anew"] == {"sum": 1, "count": 1, "buckets": {"0.1": 1, "0.5": 1, "+Inf": 1}}


def test_a_form_makes_the_body_that_its_fields_say(page: Browser) -> None:
    found = page.script_until_done(BODY)
    assert '"columns": ["n", "a", "b"], "data": [[9007199254740993, [1], true]]' in found["exact"]
    assert json.loads(found["exact"])["params"] == {"t": 0.5}
    assert json.loads(found["zeros"]) == {"inputs": [[[0, 0], [0, 0]]]}
    assert json.loads(found["named"]) == {"inputs": {"i": [[[1, 2], [3, 4]]]}}
    assert json.loads(found["records"]) == {"dataframe_split": {"columns": ["n"], "data": [[1], [2]]}}
    assert found["free"] == "text"
    told = subprocess.run(
        ["sh", "-c", found["quoted"].replace("curl", "printf '%s\n'", 1)], capture_output=True, text=True
    )
    assert told.stdout.splitlines()[-1] == """{"a": "it's"}"""
    assert "Authorization: Bearer " in found["quoted"]
    typed = subprocess.run(["bash"], input=f"curl() {{ cat; }}\n{found['long']}", capture_output=True, text=True)
    assert json.loads(typed.stdout)["a"] == "x" * 200_000


def test_numbers_keep_their_digits_and_their_fractions(page: Browser) -> None:
    found = page.script_until_done(BODY)
    assert found["written"] == '{"dataframe_split": {"columns": ["a"], "data": [[[1.0,12345678901234567890]]]}}'
    assert found["reread"] == '{"dataframe_split": {"columns": ["a"], "data": [[[2.0]]]}}'
    assert found["integer"] == ["9007199254740993", 1]
    assert json.loads(found["pretty"]) == {"a": [[1.0, 2], ["x], [y"]], "b": {}, "c": []}
    assert '    [1.0, 2],\n    ["x], [y"]\n' in found["pretty"]


def test_whatever_a_model_answers_is_shown(page: Browser) -> None:
    shown = page.script_until_done(ANSWERS)
    assert [told for told in shown if not told["text"]] == []
    texts = [told["text"] for told in shown]
    assert "0.5" in texts[0]
    assert "2–x" in texts[0]
    assert "The first 100 of 100,000 rows" in texts[1]
    assert "The first 60 of 300 columns" in texts[2]
    assert "more characters" in texts[3]
    assert shown[-1]["open"]  # of what nothing can be made its text stands there


def test_a_form_keeps_what_was_typed_and_else_follows_the_example(page: Browser) -> None:
    assert page.script_until_done(FORM) == {
        "followed": "2",
        "typed": "7",
        "row": 1,
        "marked": ["m-in-0", "m-in-1", "m-param-t"],
        "mode": [True, '{\n  "dataframe_split": {'],
    }


def test_only_what_was_rolled_back_is_told_to_be(page: Browser) -> None:
    told = page.script_until_done(LAST)
    assert ["rolled back" in one for one in told] == [True, False, False, False, False]
    assert "Go forth to “new”" in told[0]
    assert "Go forth" not in "".join(told[1:])
    assert "older than those" in told[3]
    assert "Go back" not in told[4]  # to what failed
