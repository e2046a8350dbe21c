"""Rendering: what a good template gives, what each bad one is told, and that a value stays a value."""

import json
import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ddtas.errors import TemplateError
from ddtas.plan.children.admission import admit
from ddtas.plan.children.template import MAX_MESSAGE, MAX_OBJECTS, TemplateContext, render

CONTEXT: TemplateContext = {
    "prefix": "flood-3f9a2c71b0",
    "installation": {"name": "flood", "namespace": "delft-twins"},
    "municipality": {"name": "'s-Gravenhage", "code": "GM0518"},
    "revision": "3f9a2c71b0",
    "parameters": {"threshold": 0.5, "title": 'Water: #1\n- "now"', "replicas": 2, "debug": False, "mode": "no"},
    "bindings": {"rain": {"source": "knmi-rain", "kind": "csv", "endpoint": "https://data.example/rain?a=1&b={c}"}},  # type: ignore[typeddict-unknown-key]
}

SAMPLE = """\
# A tile server that the app's front end uses.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ prefix }}-tiles
data:
  title: {{ parameters.title | tojson }}
  settings.json: {{ {"threshold": parameters.threshold, "rain": bindings.rain.endpoint} | tojson | tojson }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ prefix }}-tiles
spec:
  selector: {app: {{ prefix }}-tiles}
  ports:
    - port: 8080
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ prefix }}-tiles
spec:
  replicas: {{ parameters.replicas }}
  selector:
    matchLabels: {app: {{ prefix }}-tiles}
  template:
    metadata:
      labels: {app: {{ prefix }}-tiles}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: tiles
          image: ghcr.example/tiles@sha256:{{ "0" * 64 }}
          args:
            {% for name, binding in bindings | items %}
            - {{ ("--source=" ~ name ~ "=" ~ binding.endpoint) | tojson }}
            {% endfor %}
          env:
            - name: CITY
              value: {{ municipality.name | tojson }}
            {% if parameters.debug %}
            - name: DEBUG
              value: "1"
            {% endif %}
          ports:
            - containerPort: 8080
          readinessProbe:
            httpGet: {path: /healthz, port: 8080}
          resources:
            requests: {cpu: 50m, memory: 64Mi}
            limits: {cpu: 500m, memory: 128Mi}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - name: settings
              mountPath: /etc/tiles
      volumes:
        - name: settings
          configMap: {name: {{ prefix }}-tiles}
"""


def refusal(source: str, context: TemplateContext = CONTEXT) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        render([("web", source)], context)
    return caught.value


def test_the_sample_renders_and_is_admitted() -> None:
    config, service, deployment = admit(
        render([("tiles", SAMPLE)], CONTEXT), prefix=CONTEXT["prefix"], namespace="delft-twins"
    )
    assert config["data"]["title"] == CONTEXT["parameters"]["title"]
    assert json.loads(config["data"]["settings.json"]) == {
        "threshold": 0.5,
        "rain": CONTEXT["bindings"]["rain"]["endpoint"],  # type: ignore[typeddict-item]
    }
    assert service["spec"]["selector"] == {"app": "flood-3f9a2c71b0-tiles"}
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 2
    assert container["args"] == ["--source=rain=https://data.example/rain?a=1&b={c}"]
    assert container["env"] == [{"name": "CITY", "value": "'s-Gravenhage"}]


def test_templates_are_rendered_in_order_and_empty_documents_do_not_count() -> None:
    assert render([("a", "---\n# nothing\n---\nn: 1\n---\n"), ("b", "n: 2"), ("c", "")], CONTEXT) == [
        {"n": 1},
        {"n": 2},
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "no"),
        ("on", "on"),
        ("0644", "0644"),
        ("0x1F", "0x1F"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("<<", "<<"),
        ("9" * 30, "9" * 30),
        ("007", "007"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("-12", -12),
        ("1.50", 1.5),
        ("1e-5", 1e-5),
        ('"1"', "1"),
        ("'true'", "true"),
        ('"\\ud83d\\ude00"', "😀"),
        ("|\n  two\n  lines", "two\nlines"),
        ("[1, {b: c}]", [1, {"b": "c"}]),
        ("{{ parameters.mode }}", "no"),
        ("{{ parameters.debug }}", False),
        ("{{ none }}", None),
        ("{{ parameters.threshold }}", 0.5),
        ("{{ parameters.get('x') | default('d', true) }}", "d"),
        ("{{ parameters | length }}", 5),
        ("{{ [3, 1] | sort | tojson }}", [1, 3]),
    ],
)
def test_types_are_those_of_yaml_1_2(written: str, read: object) -> None:
    (found,) = render([("a", f"a: {written}")], CONTEXT)
    assert found == {"a": read}
    assert type(found["a"]) is type(read)


FORBIDDEN = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ parameters.__init__ }}",
    "{{ parameters.__class__.__base__.__subclasses__() }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "{{ [''] | map(attribute='__class__') | list | tojson }}",
    "{{ parameters.update({'a': 1}) }}",
    "{{ parameters.clear() }}",
    "{{ [].append(1) }}",
    "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__call__ }}",
    "{{ ([1] | map('string')).gi_frame }}",
    "{{ cycler.__init__.__globals__ }}",
]


@pytest.mark.parametrize("source", FORBIDDEN)
def test_reaching_out_of_the_sandbox_is_forbidden(source: str) -> None:
    error = refusal(f"a: 1\nb: {source}")
    assert (error.reason, error.message[:20]) == ("TemplateForbidden", "template web, line 2")
    assert "unsafe" in error.message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "a: {{ parameters.tresh }}",
            "line 1: 'tresh' is undefined; there is: debug, mode, replicas, threshold, title",
        ),
        ("\n\na: {{ nope }}", "line 3: 'nope' is undefined; there is: prefix, installation, municipality, revision, "),
        ("a: {{ {'x': nope} | tojson }}", "line 1: 'nope' is undefined; there is: prefix"),
        ("a: {{ prefix.nope }}", "line 1: 'nope' is undefined: a value of type str does not have it"),
        ("a: {{ bindings.snow.endpoint }}", "line 1: 'snow' is undefined; there is: rain"),
        ("a: 1\n{% if %}", "line 2: Expected an expression"),
        ("a: {{ 'x' | attr('y') }}", "line 1: No filter named 'attr'"),
        ("a: {{ '%9999d' | format(1) }}", "line 1: No filter named 'format'"),
        ("a: {{ lipsum() }}", "'lipsum' is undefined"),
        ("a: {{ namespace }}", "'namespace' is undefined"),
        ("a: {{ dict }}", "'dict' is undefined"),
        ("{% include 'other' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        ("{% extends 'other' %}", "no loader"),
        ("{% trans %}x{% endtrans %}", "unknown tag 'trans'"),
        ("{% do [].append(1) %}", "unknown tag 'do'"),
        ("a: {{ range(10**9) }}", "Range too big"),
        ("a: {{ range }}", "a value of type function needs {{ … | tojson }}"),
        ("a: {{ parameters }}", "a value of type dict needs {{ … | tojson }}"),
        ("a: {{ parameters.title }}", "could change the YAML around it: write {{ … | tojson }}"),
        ("a: {{ '' }}", "'' could change the YAML around it"),
        ("a: {{ 'a-' }}", "'a-' could change the YAML around it"),
        ("a: {{ '-' }}", "'-' could change the YAML around it"),
        ("a: {{ parameters.title | tojson | upper }}", "could change the YAML around it"),
        ("a: {{ 'a: b' | safe }}", "No filter named 'safe'"),
        ("a: {{ (parameters.threshold * 10.0**308 * 100) | tojson }}", "Out of range float"),
        ("a: {{ range | tojson }}", "a value of type function has no JSON form"),
        ("a: {{ 1 / 0 }}", "division by zero"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested too deeply"),
        ("a: {{ " + "(" * 4000 + " }}", "nested too deeply"),
        ("a: " + "[" * 40 + "]" * 40, "nested more than 32 deep (line 1 of the result)"),
        ("a: &x 1\nb: *x", "anchors and aliases are not allowed (line 1 of the result)"),
        ("a: *x", "anchors and aliases are not allowed"),
        ("a: !!python/object/apply:os.system [ls]", "tags (!) are not allowed"),
        ("a: !secret x", "tags (!) are not allowed"),
        ("a: ! x", "tags (!) are not allowed"),
        ("a: 1\nb: 1\na: 2", "the key 'a' is there twice (line 3 of the result)"),
        ("1: 2", "a key must be a text: put it in quotes"),
        ("? [a]\n: 1", "a key must be a text: put it in quotes"),
        ("a: b: c", "not usable YAML once rendered"),
        ("a: \x07", "not usable YAML once rendered"),
        ('a: "\\ud83d"', "not usable YAML once rendered"),
        ("- a", "document 1 is not an object"),
        ("a: 1\n---\ntext", "document 2 is not an object"),
        ("a: {% for i in range(40000) %}xx{% endfor %}", "more than 64 KiB of text"),
        ("---\na: 1\n" * (MAX_OBJECTS + 1), f"{MAX_OBJECTS + 1} objects, more than {MAX_OBJECTS}"),
    ],
)
def test_what_is_wrong_is_said(source: str, message: str) -> None:
    error = refusal(source)
    assert error.reason == "TemplateInvalid"
    assert message in error.message


def test_the_output_of_all_templates_together_is_bounded() -> None:
    half = ("a", f"a: {'x' * 40_000}")
    assert len(render([half], CONTEXT)) == 1
    with pytest.raises(TemplateError, match="more than 64 KiB"):
        render([half, half], CONTEXT)


def test_a_message_is_one_short_line() -> None:
    error = refusal(f"a: {{{{ {'x' * 5000} }}}}")
    assert len(error.message) == MAX_MESSAGE
    assert "\n" not in refusal("a: {{ 'x\ny\u2028' }}").message


def test_memory_errors_are_left_to_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> list[int]:
        raise MemoryError

    monkeypatch.setitem(render.__globals__["_ENVIRONMENT"].globals, "range", exhausted)
    with pytest.raises(MemoryError):
        render([("a", "a: {{ range(1) }}")], CONTEXT)


def test_a_value_is_never_rendered_again() -> None:
    context = CONTEXT | {"parameters": {"x": "{{ prefix }}{% if %}"}}
    assert render([("a", "a: {{ parameters.x | tojson }}")], context) == [{"a": "{{ prefix }}{% if %}"}]


# Surrogates aside, which no JSON text in UTF-8 can hold.
TEXTS = st.text(st.characters(exclude_categories=("Cs",)))  # type: ignore[arg-type]
SCALARS = TEXTS | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()

QUOTED = textwrap.dedent("""\
    plain: {{ parameters.x | tojson }}
    flow: [{{ parameters.x | tojson }}, {inner: {{ parameters.x | tojson }}}]
    list:
      - {{ parameters.x | tojson }}
      - json: {{ {"x": parameters.x} | tojson | tojson }}
    {{ parameters.key | tojson }}: last
""")


# What YAML and JSON, or the versions of YAML, do not agree on.
@example(value="\x7f\x85\u2028\ufeff\U0001f600", key="\x7f")
@example(value="no", key="<<")
@example(value=1e-05, key="---")
@given(value=SCALARS, key=TEXTS.filter(lambda key: len(key) < 100))
def test_a_quoted_value_never_changes_the_structure(value: object, key: str) -> None:
    if key in ("plain", "flow", "list"):
        key = "k"
    (found,) = render([("a", QUOTED)], CONTEXT | {"parameters": {"x": value, "key": key}})  # type: ignore[arg-type]
    inner = found["list"][1].pop("json")  # type: ignore[index]
    assert found == {"plain": value, "flow": [value, {"inner": value}], "list": [value, {}], key: "last"}
    assert type(found["plain"]) is type(value)
    assert json.loads(inner) == {"x": value}


BARE = "a: pre-{{ parameters.x }}-post\n{{ parameters.x }}z: {b: [{{ parameters.x }}a, c]}\nd: '{{ parameters.x }}'"


@given(value=SCALARS | st.text("aZ09-_./ :#{}[],&*!|>'\"%@`\n\t~", max_size=6))
def test_a_bare_value_is_refused_or_never_changes_the_structure(value: object) -> None:
    try:
        (found,) = render([("a", BARE)], CONTEXT | {"parameters": {"x": value}})  # type: ignore[arg-type]
    except TemplateError as error:
        assert "could change the YAML" in error.message  # noqa: PT017 - either outcome is right
        return
    text = value if isinstance(value, str) else json.dumps(value)
    assert found == {"a": f"pre-{text}-post", f"{text}z": {"b": [f"{text}a", "c"]}, "d": text}
