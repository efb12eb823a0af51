"""Without scikit-learn: the same estimators, with exceptions and warnings of our own."""

from helpers.processes import complaint

BLOCK = """
import sys
sys.modules["sklearn"] = None  # an import of it fails
import numpy as np, fastnn as fn, warnings
warnings.filterwarnings("ignore", message=".*epochs are over")
X = np.random.default_rng(0).normal(size=(120, 4)); y = (X[:, 0] > 0).astype(int)
"""


def test_everything_but_tags_works_without_scikit_learn():
    assert complaint(
        BLOCK + "from fastnn.estimators.peers import NotFittedError, ConvergenceWarning\n"
        "model = fn.MLPClassifier((8,), max_iter=60, early_stopping=True, learning_rate_init=.05, random_state=0)\n"
        "try:\n    model.predict(X)\nexcept NotFittedError as error:\n    assert 'not fitted' in str(error)\n"
        "else:\n    raise AssertionError\n"
        "assert model.fit(X, y).score(X, y) > .9\n"
        "assert model.predict_one(X[0]) == model.predict(X[:1])[0]\n"
        "assert fn.MLPRegressor(solver='lbfgs', max_iter=500).fit(X, X[:, 1]).score(X, X[:, 1]) > .99\n"
        "import copy, pickle, tempfile, os\n"
        "copy.deepcopy(model); pickle.loads(pickle.dumps(model)); print(model, model.get_params())\n"
        "path = os.path.join(tempfile.mkdtemp(), 'm.safetensors'); model.save(path); fn.MLPClassifier.load(path)\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n    fn.MLPClassifier(max_iter=2).fit(X, y)\n"
        "assert [w.category for w in caught] == [ConvergenceWarning], caught\n"
        "try:\n    model.__sklearn_tags__()\nexcept ImportError as error:\n    assert 'fastnn[sklearn]' in str(error)\n"
        "else:\n    raise AssertionError\n"
    ) == ""  # fmt: skip


def test_importing_and_fitting_does_not_import_scikit_learn():
    assert complaint(
        "import sys, numpy as np, fastnn as fn\n"
        "fn.MLPRegressor(solver='lbfgs', max_iter=500).fit(np.eye(3), np.arange(3.))\n"
        "fn.MLPClassifier(max_iter=500, tol=.1).fit(np.eye(3), [0, 1, 0])\n"
        "assert not any(name.split('.')[0] == 'sklearn' for name in sys.modules)\n"
    ) == ""  # fmt: skip
