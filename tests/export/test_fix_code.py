import dataclasses
import json
import shutil
import sqlite3
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import is_classifier
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from export.cases import AWKWARD, INVISIBLE, KINDS, NUM_CLASSES, fix_of, rounded_rows, scores_for
from longtail.export import fix_code
from longtail.export.fix_code import LANGUAGES
from longtail.repair import Fix

DATABASES: list[sqlite3.Connection] = []


@pytest.fixture(autouse=True)
def close_databases():
    """Python 3.13 warns of those that are left open."""
    yield
    while DATABASES:
        DATABASES.pop().close()


def new_database():
    DATABASES.append(sqlite3.connect(":memory:"))
    return DATABASES[-1]


def by_python(fix, scores, folder):
    served = _executed(fix, "python", folder)
    probabilities = [served["predict_proba"](row) for row in scores.tolist()]
    assert all(list(row) == list(fix.class_names) for row in probabilities)
    return [served["predict"](row) for row in scores.tolist()], [list(row.values()) for row in probabilities]


def by_numpy(fix, scores, folder):
    served = _executed(fix, "numpy", folder)
    assert served["predict"](scores[0]) == served["predict"](scores)[0]
    return served["predict"](scores), served["predict_proba"](scores)


def by_sklearn(fix, scores, folder):
    class Model:
        classes_ = np.array(fix.class_names[::-1], dtype=object)

        def predict_proba(self, columns):
            return columns[:, ::-1]

        decision_function = predict_proba

    fixed = _executed(fix, "sklearn", folder)["FixedClassifier"](Model())
    return fixed.predict(scores), fixed.predict_proba(scores)[:, ::-1]


def by_javascript(fix, scores, folder):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (folder / "fix.mjs").write_text(fix_code(fix, "javascript"), encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps(scores.tolist()).replace("Infinity", "1e999"))
    (folder / "run.mjs").write_text(
        "import { readFileSync } from 'node:fs'; import { CLASSES, predict, predictProba } from './fix.mjs';"
        "const scores = JSON.parse(readFileSync('scores.json'));"
        "console.log(JSON.stringify([CLASSES, scores.map(predict), scores.map(predictProba)]));"
    )
    ran = subprocess.run([node, "run.mjs"], cwd=folder, capture_output=True, check=True)
    names, decided, probabilities = json.loads(ran.stdout)
    assert names == list(fix.class_names)
    return decided, probabilities


def by_sql(fix, scores, folder):
    database = database_of(fix, scores)
    code = fix_code(fix, "sql")
    ids, decided, probability = zip(*database.execute(code), strict=True)
    assert list(ids) == list(range(len(scores)))
    lines = [line for line in code.splitlines() if "without this line" not in line]
    every = np.array([row[2] for row in database.execute("\n".join(lines))]).reshape(scores.shape)
    places = [fix.class_names.index(name) for name in decided]
    np.testing.assert_array_equal(every[np.arange(len(scores)), places], probability)
    return decided, every


@pytest.mark.parametrize("kind", KINDS)
def test_named_scores_go_by_their_names_in_any_order(kind, tmp_path):
    fix = fix_of(3, kind, names=("0", "1", "2"))
    scores = scores_for(fix)
    table = pd.DataFrame(scores, columns=fix.class_names).iloc[:, ::-1]
    of_one, of_many = _executed(fix, "python", tmp_path), _executed(fix, "numpy", tmp_path)
    expected = fix.predict(scores, names=True)
    np.testing.assert_array_equal(of_many["predict"](table), expected)
    np.testing.assert_allclose(of_many["predict_proba"](table), fix.predict_proba(scores), atol=1e-12)
    rows = [row for _, row in table.iterrows()]
    assert [of_many["predict"](row) for row in rows] == list(expected)
    assert [of_one["predict"](row) for row in rows] == list(expected)
    assert [of_one["predict"](row) for row in table.to_dict("records")] == list(expected)
    with pytest.raises(KeyError):
        of_many["predict"](table.rename(columns={"0": "other"}))


def database_of(fix, scores, table='"predictions"', key='"id"'):
    database = new_database()
    columns = "".join(', "{}" REAL'.format(name.replace('"', '""')) for name in fix.class_names)
    database.execute(f"CREATE TABLE {table} ({key} INTEGER{columns})")
    marks = ", ".join("?" * (1 + len(fix.class_names)))
    database.executemany(f"INSERT INTO {table} VALUES ({marks})", [(i, *row) for i, row in enumerate(scores.tolist())])
    return database


def _executed(fix, to, folder):
    path = folder / f"{to}.py"
    path.write_text(fix_code(fix, to), encoding="utf-8")
    served = {"__name__": "served"}
    exec(compile(path.read_bytes(), path, "exec"), served)
    return served


SERVED = {"python": by_python, "numpy": by_numpy, "sql": by_sql, "javascript": by_javascript, "sklearn": by_sklearn}
EVERY = pytest.mark.parametrize("to", sorted(LANGUAGES))


@EVERY
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", NUM_CLASSES)
@pytest.mark.slow
def test_the_code_decides_as_the_fix_does(to, kind, num_classes, tmp_path):
    fix = fix_of(num_classes, kind)
    scores = scores_for(fix, 100 if kind != "cost" or num_classes < 200 else 20)
    decided, probabilities = SERVED[to](fix, scores, tmp_path)
    assert list(decided) == [fix.class_names[index] for index in fix.predict(scores)]
    np.testing.assert_allclose(probabilities, fix.predict_proba(scores), rtol=0, atol=1e-12)


@EVERY
def test_ties_go_to_the_first_class_and_large_logits_do_not_overflow(to, tmp_path):
    fix = fix_of(3, offset=np.zeros(3), temperature=1e-3)
    scores = np.array([[0, 1, 1], [2, 2, 2], [1e30, -1e30, 1e30], [0, 1e30, 1e29], [-1e300, 0, 1.0]])
    decided, probabilities = SERVED[to](fix, scores, tmp_path)
    assert [fix.class_names.index(name) for name in decided] == [1, 0, 0, 1, 2] == fix.predict(scores).tolist()
    np.testing.assert_allclose(probabilities, fix.predict_proba(scores), rtol=0, atol=1e-12)


@EVERY
@pytest.mark.parametrize("kind", ["offset", "cost"])
def test_masked_classes_are_never_decided(to, kind, tmp_path):
    fix = fix_of(4, kind)
    scores = scores_for(fix, 50)
    scores[:, 2], scores[::2, 0] = -np.inf, -np.inf
    decided, probabilities = SERVED[to](fix, scores, tmp_path)
    assert list(decided) == [fix.class_names[index] for index in fix.predict(scores)]
    np.testing.assert_allclose(probabilities, fix.predict_proba(scores), rtol=0, atol=1e-12)
    assert (np.array(probabilities)[:, 2] == 0).all()


@EVERY
def test_the_floor_of_probabilities_is_that_of_the_fix(to, tmp_path):
    fix = fix_of(3, "probabilities", floor=1e-3, offset=np.array([0.0, 8.0, 8.5]))
    scores = np.array([[1.0, 0.0, 0.0], [1.0, 1e-4, 0.0], [0.0, 1.0, 0.0]])
    decided, probabilities = SERVED[to](fix, scores, tmp_path)
    assert [fix.class_names.index(name) for name in decided] == fix.predict(scores).tolist() == [2, 2, 1]
    np.testing.assert_allclose(probabilities, fix.predict_proba(scores), rtol=0, atol=1e-12)


@EVERY
@pytest.mark.parametrize("how", [1, 2, 3, torch.bfloat16], ids=str)
@pytest.mark.slow
def test_rounded_rows_are_divided_by_their_sum_as_the_fix_does(to, how, tmp_path):
    fix = fix_of(8, "probabilities", floor=1e-3)
    scores = rounded_rows(how, 8)
    decided, probabilities = SERVED[to](fix, scores, tmp_path)
    expected = [fix.predict_proba(row) for row in scores]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-12)
    assert list(decided) == [fix.predict(row, names=True) for row in scores]


@pytest.mark.parametrize("row", [[0.33, 0.33, 0.31], [0.3333, 0.3333, 0.3233], [0.9, 0.2, -0.1], [2.0, 1.0, -2.0]])
def test_sql_decides_nothing_where_the_fix_refuses_a_row(row):
    fix = fix_of(3, "probabilities")
    with pytest.raises(ValueError, match="do not sum to 1"):
        fix.predict(np.array(row))
    database = database_of(fix, np.array([row, [0.5, 0.25, 0.25]]))
    decided = [name for _, name, _ in database.execute(fix_code(fix, "sql"))]
    assert decided == [None, fix.predict(np.array([0.5, 0.25, 0.25]), names=True)]


@EVERY
def test_the_heading_says_where_the_code_comes_from_and_nothing_in_it_is_code(to, tmp_path):
    fix = fix_of(3, names=AWKWARD[:3], metric="line\n1/0\u2028\u202e")
    code = fix_code(fix, to, source="coding: utf-16\n.json")
    mark = {"sql": "--", "javascript": "//"}.get(to, "#")
    heading = [line for line in code.splitlines()[:7] if line.startswith(mark)]
    assert "longtail" in heading[0]
    assert any("takes logits" in line and r"line\n1/0\u2028\u202e" in line for line in heading)
    assert any("Löwe" in line for line in heading)
    assert any('"verdict": "use"' in line for line in heading)
    assert "coding" not in "".join(heading[:2])
    assert "\u202e" not in code
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    if mark == "#":
        compile((tmp_path / "code.py").read_bytes(), "code.py", "exec")


@pytest.mark.parametrize("to", sorted(set(LANGUAGES) - {"sql"}))
def test_invisible_characters_are_escaped(to, tmp_path):
    fix = fix_of(2, names=(INVISIBLE, "\U000e0001 tag"))
    code = fix_code(fix, to)
    assert all(c.isprintable() or c == "\n" for c in code)
    scores = np.array([[100.0, 0.0], [0.0, 100.0]])
    assert list(SERVED[to](fix, scores, tmp_path)[0]) == list(fix.class_names)


def test_sql_has_no_way_to_write_invisible_characters():
    with pytest.raises(ValueError, match=r'Got U\+202E in "\\u202eflow'):
        fix_code(fix_of(2, names=(INVISIBLE, "b")), "sql")


def test_sql_takes_the_names_of_table_and_id():
    fix = fix_of(3)
    scores = scores_for(fix)
    database = database_of(fix, scores, '"my ""scores"', '"sample"')
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.execute(fix_code(fix, "sql", id_column="sample"))
    found = database.execute(fix_code(fix, "sql", table='main.my "scores', id_column="sample"))
    assert [column[0] for column in found.description] == ["sample", "class", "probability"]
    assert [name for _, name, _ in found] == [fix.class_names[index] for index in fix.predict(scores)]
    with pytest.raises(ValueError, match="`id_column` must differ from the classes"):
        fix_code(fix, "sql", id_column='SAY "a"')


def test_sql_decides_nothing_where_scores_are_missing_or_the_id_is_not_unique():
    fix = fix_of(3)
    database = database_of(fix, scores_for(fix, 4))
    database.execute('UPDATE predictions SET "say ""a""" = NULL WHERE id = 1')
    database.execute("UPDATE predictions SET id = 2 WHERE id = 3")
    decided = [row[1] is None for row in database.execute(fix_code(fix, "sql"))]
    assert decided == [False, True, True]


def test_sql_refuses_a_table_without_a_class():
    fix = fix_of(3)
    database = database_of(fix_of(3, names=("x", *AWKWARD[1:3])), scores_for(fix))
    code = fix_code(fix, "sql")
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        database.execute(code)
    assert "-- Columns bear the names of the classes: where they have a prefix, use a view that renames them.\n" in code


def test_sql_is_short_for_many_classes():
    short, long = (len(fix_code(fix_of(size, names=tuple(map(str, range(size)))), "sql")) for size in (100, 1000))
    assert long < 11 * short
    fix = fix_of(1000, names=tuple(f"class {index}" for index in range(1000)))
    scores = scores_for(fix, 3)
    decided = [name for _, name, _ in database_of(fix, scores).execute(fix_code(fix, "sql"))]
    assert decided == [fix.class_names[index] for index in fix.predict(scores)]


@pytest.mark.parametrize("to", ["python", "numpy"])
@pytest.mark.parametrize(
    ("kind", "scores", "message"),
    [
        ("offset", [0.0, 1.0], "must be .*logits"),
        ("offset", [0.0, float("nan"), 1.0], "must be .*logits"),
        ("offset", [0.0, float("inf"), 1.0], "must be .*logits"),
        ("offset", [-float("inf")] * 3, "must be .*logits"),
        ("probabilities", [0.5, -0.5, 1.0], "must be .*probabilities"),
        ("probabilities", [0.5, 0.5, 1.0], "sum to 1"),
        ("probabilities", [0.33, 0.33, 0.31], "sum to 1"),
        ("probabilities", [0.3333, 0.3333, 0.3233], "sum to 1"),
    ],
)
@pytest.mark.slow
def test_the_code_refuses_what_the_fix_refuses(to, kind, scores, message, tmp_path):
    fix = fix_of(3, kind)
    served = _executed(fix, to, tmp_path)
    for function in (served["predict"], served["predict_proba"]):
        with pytest.raises(ValueError, match=message):
            function(scores)
    with pytest.raises(ValueError, match=r"`logits` must"):
        fix.predict(np.array(scores))


@pytest.mark.parametrize(("takes", "num_classes"), [("probabilities", 4), ("logits", 4), ("logits", 2)])
def test_a_classifier_of_scikit_learn_is_wrapped(takes, num_classes, tmp_path):
    X, y = make_classification(400, n_informative=6, n_classes=num_classes, random_state=0)  # noqa: N806
    y = y + 8  # "8", "9", "10", "11": as text in another order
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    names = tuple(sorted(map(str, model.classes_)))
    fix = fix_of(num_classes, "probabilities" if takes == "probabilities" else "offset", names=names)
    fixed = _executed(fix, "sklearn", tmp_path)["FixedClassifier"](model)
    columns = [list(map(str, model.classes_)).index(name) for name in names]
    if takes == "probabilities":
        scores = model.predict_proba(X)
    elif num_classes == 2:
        scores = np.column_stack([np.zeros(len(X)), model.decision_function(X)])
    else:
        scores = model.decision_function(X)
    expected = [int(names[index]) for index in fix.predict(scores[:, columns])]
    assert fixed.predict(X).tolist() == expected
    assert fixed.predict(X).dtype == y.dtype
    np.testing.assert_allclose(fixed.predict_proba(X)[:, columns], fix.predict_proba(scores[:, columns]), atol=1e-12)
    assert is_classifier(fixed)
    assert fixed.score(X, y) == np.mean(np.array(expected) == y)
    assert fixed.fit(X, y) is fixed


def test_a_classifier_of_other_classes_or_without_the_scores_is_refused(tmp_path):
    X, y = make_classification(100, random_state=0)  # noqa: N806
    model = LogisticRegression().fit(X, y)
    wrap = _executed(fix_of(2, names=("0", "2")), "sklearn", tmp_path)["FixedClassifier"]
    with pytest.raises(ValueError, match=r"must have the classes of the fix. Got \['0', '1'\]"):
        wrap(model).predict(X)
    wrap = _executed(fix_of(2, names=("0", "1")), "sklearn", tmp_path)["FixedClassifier"]
    with pytest.raises(ValueError, match="has no scoring; name another method"):
        wrap(model, scores="scoring").predict(X)
    assert wrap(model, scores="predict_log_proba").predict(X).shape == (100,)


def test_what_can_not_be_exported_is_refused():
    with pytest.raises(ValueError, match=r"`to` must be one of 'python', .*Got 'cobol'"):
        fix_code(fix_of(2), "cobol")
    with pytest.raises(ValueError, match="Its offset has others"):
        fix_code(dataclasses.replace(fix_of(2), offset=np.array([0.0, -np.inf])), "python")


@pytest.mark.parametrize(
    ("to", "option", "message"),
    [
        ("sql", "tabel", r"`fix_code\(fix, 'sql'\)` got an unexpected keyword argument 'tabel'. Did you mean 'table'"),
        (
            "python",
            "table",
            r"`fix_code\(fix, 'python'\)` got an unexpected keyword argument 'table'. It takes source.",
        ),
    ],
)
def test_an_option_that_the_language_does_not_have_is_named(to, option, message):
    with pytest.raises(TypeError, match=message):
        fix_code(fix_of(2), to, **{option: "scores"})


def test_javascript_takes_numbers_alone_and_can_stand_in_a_page(tmp_path):
    node = shutil.which("node")
    fix = fix_of(3, names=("</script><script>alert(1)</script>", "<!-- b", "c"))
    code = fix_code(fix, "javascript", source="</script>")
    assert "</script" not in code
    assert "<!--" not in code
    if node is None:
        pytest.skip("node is not installed")
    (tmp_path / "fix.mjs").write_text(code)
    tried = "[[null, 1, 2], ['1', '1', '2'], [true, 1, 2], [[5], 1, 2], [0, 1, 2]]"
    (tmp_path / "run.mjs").write_text(
        f"import {{ predict }} from './fix.mjs';\n"
        f"const all = {tried}.map((s) => {{ try {{ return predict(s) }} catch (e) {{ return e.name }} }});\n"
        "console.log(JSON.stringify(all));"
    )
    found = json.loads(subprocess.run([node, tmp_path / "run.mjs"], capture_output=True, check=True).stdout)
    assert found == ["RangeError"] * 4 + [fix.predict(np.array([0.0, 1.0, 2.0]), names=True)]


def test_sql_refuses_classes_whose_columns_would_be_one():
    with pytest.raises(ValueError, match="must differ in more than case in SQL.* Got 'Cat' and 'cat'"):
        fix_code(fix_of(3, names=("Cat", "dog", "cat")), "sql")


@pytest.mark.parametrize(("takes", "score", "first"), [("logits", 0.5, "0"), ("probabilities", 0.6, "1 - score")])
def test_sql_of_one_score_says_how_to_add_the_other(takes, score, first):
    even = np.array([0.5, 0.5])
    fix = Fix(np.array([1.0, -1.0]), 2.0, np.zeros(2), even, ("no", "yes"), "accuracy", "by hand", takes=takes)
    code = fix_code(fix, "sql")
    select = next(line[3:-1] for line in code.splitlines() if line.startswith("-- SELECT"))
    assert select == f'SELECT *, {first} AS "no", score AS "yes" FROM predictions'
    database = new_database()
    database.execute("CREATE TABLE predictions(id INTEGER, score REAL)")
    database.execute("INSERT INTO predictions VALUES (1, ?)", (score,))
    database.execute(f"CREATE VIEW both_scores AS {select}")
    [(_, name, probability)] = database.execute(fix_code(fix, "sql", table="both_scores")).fetchall()
    assert name == fix.predict(np.array([[score]]), names=True)[0]
    assert probability == pytest.approx(fix.predict_proba(np.array([[score]]))[0][fix.class_names.index(name)])
